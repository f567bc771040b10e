/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "bpf.h"
#include "sampler/segment/layout.h"
#include "sys.h"

#include "poison.h"

_Atomic uint64_t seccomp_forbidden;

/*
 * A call as a filter sees it. Bit i of known: argument i is always the one in the row. All others
 * (descriptors, addresses, thread ids, clocks) may be anything. A call that is made in several ways has
 * several rows.
 */
struct call_row {
    int16_t call, number;
    uint8_t known;
    int64_t argument[6];
};

enum { K0 = 1, K1 = 2, K2 = 4, K3 = 8, K4 = 16, K5 = 32, KERNEL_SIGSET = 8 };

static const struct call_row rows[] = {
    {CALL_rt_sigreturn, SYS_rt_sigreturn, 0, {0}},
    {CALL_rt_sigprocmask, SYS_rt_sigprocmask, K0 | K3, {SIG_BLOCK, 0, 0, KERNEL_SIGSET}},
    {CALL_rt_sigprocmask, SYS_rt_sigprocmask, K0 | K3, {SIG_UNBLOCK, 0, 0, KERNEL_SIGSET}},
    {CALL_rt_sigprocmask, SYS_rt_sigprocmask, K0 | K3, {SIG_SETMASK, 0, 0, KERNEL_SIGSET}},
    {CALL_rt_sigprocmask, SYS_rt_sigprocmask, K0 | K3, {-1, 0, 0, KERNEL_SIGSET}}, /* nofault.c */
    {CALL_rt_sigaction, SYS_rt_sigaction, K3, {0, 0, 0, KERNEL_SIGSET}},
    {CALL_rt_sigtimedwait, SYS_rt_sigtimedwait, K3, {0, 0, 0, KERNEL_SIGSET}},
    {CALL_rt_sigqueueinfo, SYS_rt_sigqueueinfo, K1, {0, SIGPROF}},
    {CALL_rt_tgsigqueueinfo, SYS_rt_tgsigqueueinfo, K2, {0, 0, SIGPROF}},
    {CALL_kill, SYS_kill, K1, {0, SIGPROF}},
    {CALL_tgkill, SYS_tgkill, K2, {0, 0, 0}},
    {CALL_tgkill, SYS_tgkill, K2, {0, 0, SIGPROF}},
    {CALL_sched_yield, SYS_sched_yield, 0, {0}},
    {CALL_timer_create, SYS_timer_create, 0, {0}},
    {CALL_timer_settime, SYS_timer_settime, 0, {0}},
    {CALL_timer_gettime, SYS_timer_gettime, 0, {0}},
    {CALL_timer_delete, SYS_timer_delete, 0, {0}},
    {CALL_clock_gettime, SYS_clock_gettime, K0, {CLOCK_REALTIME}},
    {CALL_clock_gettime, SYS_clock_gettime, K0, {CLOCK_MONOTONIC}},
    {CALL_clock_gettime, SYS_clock_gettime, K0, {CLOCK_MONOTONIC_COARSE}},
    {CALL_clock_gettime, SYS_clock_gettime, K0, {CLOCK_THREAD_CPUTIME_ID}},
    {CALL_nanosleep, SYS_nanosleep, 0, {0}},
    {CALL_getpid, SYS_getpid, 0, {0}},
    {CALL_getppid, SYS_getppid, 0, {0}},
    {CALL_getrusage, SYS_getrusage, K0, {RUSAGE_THREAD}},
    {CALL_gettid, SYS_gettid, 0, {0}},
    {CALL_getuid, SYS_getuid, 0, {0}},
    {CALL_prctl_name, SYS_prctl, K0, {PR_GET_NAME}},
    {CALL_prctl_ptracer, SYS_prctl, K0, {PR_SET_PTRACER}},
    {CALL_process_vm_readv, SYS_process_vm_readv, K5, {0}},
    {CALL_mprotect, SYS_mprotect, K1, {0, LAYOUT_PAGE}},
    {CALL_mincore, SYS_mincore, K1, {0, LAYOUT_PAGE}},
    {CALL_prlimit64, SYS_prlimit64, K0 | K2, {0, 0, 0}},
    {CALL_memfd_create, SYS_memfd_create, K1, {0, MFD_CLOEXEC | MFD_ALLOW_SEALING}},
    {CALL_ftruncate, SYS_ftruncate, 0, {0}},
    {CALL_fcntl, SYS_fcntl, K1, {0, F_ADD_SEALS}},
    {CALL_map, SYS_mmap, K2 | K3, {0, 0, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE}},
    {CALL_map, SYS_mmap, K2 | K3, {0, 0, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED}},
    {CALL_map, SYS_mmap, K2 | K3, {0, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS}},
    {CALL_map,
     SYS_mmap,
     K2 | K3,
     {0, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED}},
    {CALL_map, SYS_mremap, K3, {0, 0, 0, MREMAP_MAYMOVE}},
    {CALL_map, SYS_mremap, K3, {0, 0, 0, MREMAP_MAYMOVE | MREMAP_FIXED}},
    {CALL_unmap, SYS_munmap, 0, {0}},
    {CALL_munlock, SYS_munlock, 0, {0}},
    {CALL_mremap, SYS_mremap, K3, {0, 0, 0, MREMAP_MAYMOVE}},
    {CALL_madvise, SYS_madvise, K2, {0, 0, MADV_DONTDUMP}},
    {CALL_madvise, SYS_madvise, K2, {0, 0, MADV_DONTNEED}},
    {CALL_close_fd, SYS_close, 0, {0}},
    {CALL_socket, SYS_socket, K0 | K1 | K2, {AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0}},
    {CALL_connect, SYS_connect, 0, {0}},
    {CALL_newfstatat, SYS_newfstatat, K3, {0, 0, 0, 0}},
    {CALL_openat, SYS_openat, K2, {0, 0, O_RDONLY | O_CLOEXEC | O_NONBLOCK}},
    {CALL_pread64, SYS_pread64, 0, {0}},
    {CALL_faccessat, SYS_faccessat, 0, {0}},
    {CALL_getsockopt, SYS_getsockopt, K1 | K2, {0, SOL_SOCKET, SO_PEERCRED}},
    {CALL_sendmsg, SYS_sendmsg, 0, {0}},
};

/* The kernel reads the filter without faulting, and so does this. If that is not possible, the program's
   pointer is believed. */
static bool read_softly(uintptr_t from, void *to, uint64_t size)
{
    struct iovec local = {to, size}, remote = {(void *)from, size}; // NOLINT(performance-no-int-to-ptr)
    long result = -38;                                              /* ENOSYS */

    if (seccomp_allows(CALL(process_vm_readv) | CALL(gettid)))
        result = sys_call(SYS_process_vm_readv, sys_call(SYS_gettid), &local, 1, &remote, 1, 0);
    if (result >= 0 || result == -EFAULT)
        return result == (long)size;
    memcpy(to, (const void *)from, size); // NOLINT(performance-no-int-to-ptr)
    return true;
}

/* The address of the call is one in this library. No filter tests for it, since none knows the library. */
static void fill_call(struct bpf_call *call, const struct call_row *row)
{
    memset(call, 0, sizeof *call);
    call->data.nr = row->number;
    call->data.arch = ARCH_AUDIT;
    call->data.instruction_pointer = (uintptr_t)fill_call;
    for (int i = 0; i < 6; i++) {
        call->data.args[i] = (uint64_t)row->argument[i];
        if (!(row->known >> i & 1))
            call->unknown |= 3u << (offsetof(struct seccomp_data, args) / 4 + 2 * (unsigned)i);
    }
}

uint64_t seccomp_evaluate(const void *filter)
{
    struct bpf_program program = {.copy = read_softly};
    struct bpf_call call;
    struct sock_fprog given = {0, NULL};
    uint64_t forbidden = CALL(launch);

    if (!read_softly((uintptr_t)filter, &given, sizeof given) || !given.len || given.len > BPF_MAXINSNS)
        return 0;
    program.address = (uintptr_t)given.filter;
    program.length = given.len;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fill_call(&call, &rows[i]);
        if (!bpf_allows(&program, &call))
            forbidden |= UINT64_C(1) << rows[i].call;
    }
    return forbidden;
}

uint64_t seccomp_forbid(uint64_t calls)
{
    return calls & ~atomic_fetch_or_explicit(&seccomp_forbidden, calls, memory_order_relaxed);
}

void seccomp_permit(uint64_t calls)
{
    atomic_fetch_and_explicit(&seccomp_forbidden, ~calls, memory_order_relaxed);
}
