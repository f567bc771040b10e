// SPDX-License-Identifier: Apache-2.0
#include "nofault.h"

#include <stdatomic.h>
#include <sys/uio.h>

#include "sampler/segment/layout.h"
#include "seccomp.h"
#include "sys.h"

#include "poison.h"

/* Any thread; the first two are reset in a child of fork(). */
static struct {
    _Atomic int own_pid;         /* 0: not asked yet */
    _Atomic bool main_has_ended; /* the kernel shows no memory by the process's number any more */
    _Atomic bool is_missing;     /* the kernel was built without the call, or somebody forbids it */
    _Atomic uint32_t page_size;  /* the kernel's; 0: not known yet */
} nofault;

bool nofault_is_available(void)
{
    return seccomp_allows(CALL(process_vm_readv) | CALL(getpid)) &&
           !atomic_load_explicit(&nofault.is_missing, memory_order_relaxed);
}

static int process_number(void)
{
    if (__builtin_expect(atomic_load_explicit(&nofault.main_has_ended, memory_order_relaxed), 0))
        return (int)sys_call(SYS_gettid);
    int pid = atomic_load_explicit(&nofault.own_pid, memory_order_relaxed);
    if (__builtin_expect(pid == 0, 0)) {
        pid = (int)sys_call(SYS_getpid);
        atomic_store_explicit(&nofault.own_pid, pid, memory_order_relaxed);
    }
    return pid;
}

size_t nofault_copy(void *to, uintptr_t from, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)from, size};
    if (!nofault_is_available())
        return 0;
    long result = sys_call(SYS_process_vm_readv, process_number(), &local, 1, &remote, 1, 0);
    if (__builtin_expect(result == -ESRCH, 0) && seccomp_allows(CALL(gettid))) {
        atomic_store_explicit(&nofault.main_has_ended, true, memory_order_relaxed);
        result = sys_call(SYS_process_vm_readv, process_number(), &local, 1, &remote, 1, 0);
    }
    if (result == -ENOSYS || result == -EPERM)
        atomic_store_explicit(&nofault.is_missing, true, memory_order_relaxed);
    return result > 0 ? (size_t)result : 0;
}

/* rt_sigprocmask() reads the 8 bytes of a set before it refuses a value of `how` that no constant stands
   for. */
static bool can_read_word(uintptr_t address)
{
    uintptr_t word = address & ~(uintptr_t)7;
    return word && sys_call(SYS_rt_sigprocmask, -1, word, 0, sizeof(uint64_t)) != -EFAULT;
}

bool nofault_can_read(const void *from, size_t size)
{
    uintptr_t first = (uintptr_t)from, last = first + size - 1;
    return !seccomp_allows(CALL(rt_sigprocmask)) ||
           (can_read_word(first) && (first / LAYOUT_PAGE == last / LAYOUT_PAGE || can_read_word(last)));
}

/* The kernel refuses an address that is no multiple of its page size, which so is found. */
bool nofault_is_resident(uintptr_t address)
{
    uint32_t size = atomic_load_explicit(&nofault.page_size, memory_order_relaxed);
    unsigned char state = 0;
    long result = -EINVAL;

    if (!seccomp_allows(CALL(mincore)))
        return false;
    for (size = size ? size : LAYOUT_PAGE; size <= ARCH_PAGE_MOST && result == -EINVAL; size *= 2) {
        result = sys_call(SYS_mincore, address & ~(uintptr_t)(size - 1), LAYOUT_PAGE, &state);
        if (result != -EINVAL && address & size / 2)
            atomic_store_explicit(&nofault.page_size, size, memory_order_relaxed);
    }
    return result == 0 && state & 1;
}

void nofault_forget(void)
{
    atomic_store_explicit(&nofault.own_pid, 0, memory_order_relaxed);
    atomic_store_explicit(&nofault.main_has_ended, false, memory_order_relaxed);
}
