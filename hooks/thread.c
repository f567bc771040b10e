/* SPDX-License-Identifier: Apache-2.0 */
/* Creation and naming of threads, and what changes how their stacks may be walked. */
#include <dlfcn.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../preload/machine.h"
#include "../preload/sigprof.h"
#include "../sampler/clock.h"
#include "../sampler/threads.h"
#include "../sampler/unwind.h"
#include "../sampler/wait.h"
#include "hooks.h"

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    uint32_t slot = thread_prepare(start, arg, attr);
    int error;
    if (!slot)
        return real.pthread_create(thread, attr, start, arg);
    error = real.pthread_create(thread, attr, thread_main, (void *)(uintptr_t)slot);
    if (error)
        thread_cancel_prepare(slot);
    return error;
}

/* An int comes back where a pointer would: the lower half of the same register, which is all that libc looks
 * at. */
int thrd_create(thrd_t *thread, thrd_start_t start, void *arg)
{
    uint32_t slot = thread_prepare((void *(*)(void *))(void *)start, arg, NULL);
    int error;
    if (!slot)
        return real.thrd_create(thread, start, arg);
    error = real.thrd_create(thread, (thrd_start_t)(void *)thread_main, (void *)(uintptr_t)slot);
    if (error != thrd_success)
        thread_cancel_prepare(slot);
    return error;
}

int pthread_setname_np(pthread_t thread, const char *name)
{
    int error = real.pthread_setname_np(thread, name);
    if (!error)
        thread_renamed(thread, name);
    return error;
}

/* Strict mode allows four system calls and, like PR_TSC_SIGSEGV, no time stamp counter: nothing of the thread
   is recorded any more. */
static void note_strict_seccomp(void)
{
    clock_stop_ticks();
    sigprof_withdraw();
    thread_local_state.alloc_gap = UINT64_MAX;
    thread_local_state.ended = 1;
}

/* Before the call: what it forbids, it forbids from its return on. A filter at NULL only asks whether the
   kernel knows filters. */
static void note_prctl(long option, unsigned long value, unsigned long filter)
{
    if (option == PR_SET_TSC && value == PR_TSC_SIGSEGV)
        clock_stop_ticks();
    if (option != PR_SET_SECCOMP || (value == SECCOMP_MODE_FILTER && !filter))
        return;
    unwind_no_syscalls = true;
    if (value == SECCOMP_MODE_STRICT)
        note_strict_seccomp();
}

static void note_seccomp(long operation, long filter)
{
    if (operation == SECCOMP_SET_MODE_STRICT)
        note_prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0);
    else if (operation == SECCOMP_SET_MODE_FILTER)
        note_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (unsigned long)filter);
}

int prctl(int option, ...)
{
    unsigned long a, b, c, d;
    va_list list;
    int result;

    va_start(list, option);
    a = va_arg(list, unsigned long);
    b = va_arg(list, unsigned long);
    c = va_arg(list, unsigned long);
    d = va_arg(list, unsigned long);
    va_end(list);
    note_prctl(option, a, b);
    result = real.prctl(option, a, b, c, d);
    if (option == PR_SET_NAME && !result)
        thread_renamed(0, (const char *)a);
    return result;
}

typedef long syscall_function(long number, long a, long b, long c, long d, long e, long f);

/* The locks of Rust, Go's and everybody's own: whoever waits in one. Who holds it is not known here. */
static bool is_futex_wait(long operation)
{
    switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return true;
    default:
        return false;
    }
}

__attribute__((noinline)) static long futex_waits(long a, long b, long c, long d, long e, long f)
{
    struct wait wait;
    long result;

    wait_enter(&wait, WAIT_futex);
    result = ((syscall_function *)(void *)real.syscall)(SYS_futex, a, b, c, d, e, f);
    wait_leave(&wait);
    return result;
}

/* Variadic for its callers. Here with as many arguments as a system call can have, so that they stay in
 * registers. */
HOOK syscall_function hook_syscall __asm__("syscall");
long hook_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (UNLIKELY(number == SYS_seccomp))
        note_seccomp(a, c);
    if (UNLIKELY(number == SYS_prctl))
        note_prctl(a, (unsigned long)b, (unsigned long)c);
    if (number == SYS_futex && is_futex_wait(b))
        return futex_waits(a, b, c, d, e, f);
    return ((syscall_function *)(void *)real.syscall)(number, a, b, c, d, e, f);
}

/* The context's stack is known already; its start function's arguments go on to the real one where they are.
 */
__attribute__((used, visibility("hidden"))) void *hook_note_context(const ucontext_t *context);
void *hook_note_context(const ucontext_t *context)
{
    thread_note_stack(context->uc_stack.ss_sp, context->uc_stack.ss_size);
    return (void *)real.makecontext;
}

#define UNUSED __attribute__((unused))
__attribute__((naked)) void makecontext(UNUSED ucontext_t *context, UNUSED void (*start)(void),
                                        UNUSED int count, ...)
{
    __asm__(MACHINE_CALL_THEN_JUMP("call hook_note_context\n\t"));
}

/* Out of a handler, perhaps, that interrupted a wait. One that jumps within the handler ends the mark of a
   wait that goes on: then the kernel is asked what the thread is blocked in. */
void longjmp(struct __jmp_buf_tag where[1], int value)
{
    wait_abandon();
    real.longjmp(where, value);
    __builtin_unreachable();
}

void _longjmp(struct __jmp_buf_tag where[1], int value)
{
    wait_abandon();
    real._longjmp(where, value);
    __builtin_unreachable();
}

void siglongjmp(struct __jmp_buf_tag where[1], int value)
{
    wait_abandon();
    real.siglongjmp(where, value);
    __builtin_unreachable();
}

void __longjmp_chk(struct __jmp_buf_tag where[1], int value)
{
    wait_abandon();
    real.__longjmp_chk(where, value);
    __builtin_unreachable();
}

int dlclose(void *handle)
{
    int result = real.dlclose(handle);
    real_forget_operators();
    unwind_forget();
    process_note_unload();
    return result;
}
