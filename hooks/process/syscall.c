/* SPDX-License-Identifier: Apache-2.0 */
/* System calls by number: futexes, and those by which a program restricts itself. */
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hooks/hooks.h"
#include "preload/signals/sandbox.h"
#include "preload/signals/sigprof.h"
#include "sampler/base/clock.h"
#include "sampler/base/nofault.h"
#include "sampler/base/seccomp.h"
#include "sampler/threads/threads.h"
#include "sampler/waits/contention.h"
#include "sampler/waits/wait.h"

/* Strict mode allows four system calls and, like PR_TSC_SIGSEGV, no time stamp counter. Nothing of the
   thread is recorded any more. */
static struct sandbox enter_strict_mode(void)
{
    clock_stop_ticks();
    thread_local_state.alloc_gap = UINT64_MAX;
    thread_local_state.ended = 1;
    return sandbox_enter(CALL_EVERY, false);
}

static void leave_strict_mode(void)
{
    thread_local_state.alloc_gap = 0;
    thread_local_state.ended = 0;
}

/* true: the call forbids system calls. A filter at NULL only asks whether the kernel knows filters. */
static bool restricts(long option, unsigned long value, unsigned long filter)
{
    if (option == PR_SET_SYSCALL_USER_DISPATCH)
        return value != PR_SYS_DISPATCH_OFF;
    return option == PR_SET_SECCOMP &&
           (value == SECCOMP_MODE_STRICT || (value == SECCOMP_MODE_FILTER && filter));
}

/* Under user dispatch, all calls from outside of a range that the program chose may be signals. */
static long restrict_by_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    bool strict = option == PR_SET_SECCOMP && a == SECCOMP_MODE_STRICT;
    struct sandbox sandbox;
    int result;

    if (strict)
        sandbox = enter_strict_mode();
    else
        sandbox =
            sandbox_enter(option == PR_SET_SECCOMP ? seccomp_evaluate((const void *)b) : CALL_EVERY, false);
    result = real.prctl(option, a, b, c, d);
    sandbox_entered(sandbox, !result);
    if (strict && result)
        leave_strict_mode();
    return result;
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
    if (restricts(option, a, b))
        return (int)restrict_by_prctl(option, a, b, c, d);
    if (option == PR_SET_TSC && a == PR_TSC_SIGSEGV)
        clock_stop_ticks();
    result = real.prctl(option, a, b, c, d);
    if (option == PR_SET_NAME && !result)
        thread_renamed(0, (const char *)a);
    return result;
}

/* A system call with as many arguments as there can be. */
struct call {
    long number, a, b, c, d, e, f;
};
typedef long syscall_function(long number, long a, long b, long c, long d, long e, long f);

static inline long make_call(const struct call *call)
{
    syscall_function *function = (syscall_function *)(void *)real.syscall;
    return function(call->number, call->a, call->b, call->c, call->d, call->e, call->f);
}

/* ---- futexes: a is the address of the word, b the operation, c a value */

/* Rust, Go and others wait like this for locks and conditions of their own. */
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

/*
 * A lock by the usual protocol ("Futexes Are Tricky", mutex2; Rust's Mutex and GLib's GMutex): 0 is free, 1
 * taken, 2 waited for. A thread that waits for it expects 2. A thread that releases it wakes one other, and the
 * word is one of the three then. The counter of a condition, which may have been 2 as well, has grown by
 * then.
 */
enum { LOCK_WAITED_FOR = 2 };

static bool may_be_lock(long operation, long value)
{
    long command = operation & FUTEX_CMD_MASK;
    return (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) && (uint32_t)value == LOCK_WAITED_FOR;
}

static bool releases_lock(long operation, long count)
{
    return (operation & FUTEX_CMD_MASK) == FUTEX_WAKE && (uint32_t)count == 1;
}

__attribute__((noinline)) static long wait_for_lock(const struct call *call)
{
    struct contention contention;
    struct wait wait;
    long result;

    contention_begin(&contention, (const void *)call->a);
    contention.is_guess = true;
    wait_enter_for(&wait, WAIT_futex, 0, contention.start);
    result = make_call(call);
    contention_end(&contention, result ? CONTENTION_FAILED : CONTENTION_OWNS);
    wait_leave_at(&wait, contention.end);
    return result;
}

__attribute__((noinline)) static long release_lock(const struct call *call)
{
    struct contention_charge charge;
    uint32_t now;
    long result;

    contention_charge(&charge, (const void *)call->a, 0);
    if (charge.lock && (!nofault_read(&now, (uintptr_t)call->a, sizeof now) || now > LOCK_WAITED_FOR))
        charge.lock = NULL;
    result = make_call(call);
    contention_record(&charge, RELEASE_futex_wake);
    return result;
}

__attribute__((noinline)) static long wait_for_futex(const struct call *call)
{
    struct wait wait;
    long result;

    wait_enter(&wait, WAIT_futex);
    result = make_call(call);
    wait_leave(&wait);
    return result;
}

static long futex(const struct call *call)
{
    const void *lock = (const void *)call->a;

    if (may_be_lock(call->b, call->c))
        return wait_for_lock(call);
    if (is_futex_wait(call->b))
        return wait_for_futex(call);
    if (contention_is_waited_for(lock) && releases_lock(call->b, call->c))
        return release_lock(call);
    return make_call(call);
}

/* ---- seccomp(), and signals */

/* A call that succeeds returns 0, or the listener's descriptor if flags ask for one. Any other positive
   number is the thread that could not take over the filter. */
static long restrict_by_seccomp(const struct call *call)
{
    unsigned long flags = (unsigned long)call->b;
    struct sandbox sandbox =
        sandbox_enter(seccomp_evaluate((const void *)call->c), flags & SECCOMP_FILTER_FLAG_TSYNC);
    long result = make_call(call);
    sandbox_entered(sandbox, !result || (result > 0 && flags & SECCOMP_FILTER_FLAG_NEW_LISTENER));
    return result;
}

/* As the kernel takes it: see preload/signals/sigprof.c. */
struct raw_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

/* rt_sigaction(): a signal, its new action, its old one, and the size of a mask. */
static long raw_action(struct call call)
{
    struct raw_action copy, *old = (struct raw_action *)call.c;
    sigset_t mask = {{0}};
    long result;

    if (call.b && call.d == sizeof copy.mask && call.a != SIGPROF &&
        nofault_can_read((const void *)call.b, sizeof copy)) {
        copy = *(const struct raw_action *)call.b;
        mask.__val[0] = copy.mask;
        sigprof_handler_mask_to_kernel((int)copy.flags, &mask);
        copy.mask = mask.__val[0];
        call.b = (long)&copy;
    }
    result = make_call(&call);
    if (!result && old) {
        mask.__val[0] = old->mask;
        sigprof_mask_from_kernel(&mask);
        old->mask = mask.__val[0];
    }
    return result;
}

/* A call that waits with a mask of its own. */
static long masked(const struct call *call, long mask)
{
    bool opened = sigprof_wait_mask_begin((const sigset_t *)mask);
    long result = make_call(call);
    sigprof_wait_mask_end(opened);
    return result;
}

/* What rt_sigtimedwait() returns. */
static long taken(long result)
{
    if (result == SIGPROF)
        sigprof_taken();
    return result;
}

/* pselect6() takes a structure of the mask and its size. 0: that cannot be read. */
static long mask_of_pselect(long structure)
{
    const long *mask = (const long *)structure;
    return mask && nofault_can_read(mask, sizeof *mask) ? *mask : 0;
}

/* Its callers know it as variadic. Here it has as many parameters as a system call can have arguments, so all
   stay in registers. */
HOOK syscall_function hook_syscall __asm__("syscall");
long hook_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    const struct call call = {number, a, b, c, d, e, f};
    switch (number) {
    case SYS_futex:
        return futex(&call);
    case SYS_mlockall:
        return mlockall((int)a);
    case SYS_execve:
        return execve((const char *)a, (char *const *)b, (char *const *)c);
    case SYS_execveat:
        return execveat((int)a, (const char *)b, (char *const *)c, (char *const *)d, (int)e);
    case SYS_prctl:
        return prctl((int)a, b, c, d, e);
    case SYS_seccomp:
        if (a == SECCOMP_SET_MODE_STRICT)
            return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
        return a == SECCOMP_SET_MODE_FILTER && c ? restrict_by_seccomp(&call) : make_call(&call);
    case SYS_sigaltstack:
        return sigaltstack((const stack_t *)a, (stack_t *)b);
    case SYS_rt_sigaction:
        return raw_action(call);
    case SYS_rt_sigsuspend:
        return masked(&call, a);
    case SYS_ppoll:
        return masked(&call, d);
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return masked(&call, e);
    case SYS_pselect6:
        return masked(&call, mask_of_pselect(f));
    case SYS_signalfd4:
        sigprof_note_descriptor();
        return make_call(&call);
    case SYS_rt_sigtimedwait:
        return taken(make_call(&call));
    case SYS_tgkill:
        return tgkill((int)a, (int)b, (int)c);
    default:
        return make_call(&call);
    }
}
