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

typedef long syscall_function(long number, long a, long b, long c, long d, long e, long f);

static long real_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    return ((syscall_function *)(void *)real.syscall)(number, a, b, c, d, e, f);
}

static long real_futex(long word, long operation, long value, long d, long e, long f)
{
    return real_syscall(SYS_futex, word, operation, value, d, e, f);
}

/* What Rust, Go and everybody else wait in for locks and conditions of their own. */
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
 * A lock by the usual protocol ("Futexes Are Tricky", mutex2; Rust's Mutex and GLib's GMutex are such): 0 is
 * free, 1 taken, 2 waited for. Who waits for it expects 2, who releases it wakes one, and the word is one of
 * those when a waiter is back: by then a condition's counter that was 2 would be more.
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

__attribute__((noinline)) static long lock_waits(long word, long operation, long value, long d, long e,
                                                 long f)
{
    struct contention contention;
    struct wait wait;
    long result;

    contention_begin(&contention, (const void *)word);
    wait_enter_for(&wait, WAIT_futex, 0, contention.start);
    result = real_futex(word, operation, value, d, e, f);
    if (!result && *(const volatile uint32_t *)word <= LOCK_WAITED_FOR)
        contention_prove(&contention);
    contention_end(&contention, result ? CONTENTION_FAILED : CONTENTION_OWNS);
    wait_leave_at(&wait, contention.end);
    return result;
}

__attribute__((noinline)) static long lock_wakes(long word, long operation, long value, long d, long e,
                                                 long f)
{
    struct contention_charge charge;
    long result;

    contention_charge(&charge, (const void *)word, false);
    result = real_futex(word, operation, value, d, e, f);
    contention_record(&charge, RELEASE_futex_wake);
    return result;
}

__attribute__((noinline)) static long futex_waits(long word, long operation, long value, long d, long e,
                                                  long f)
{
    struct wait wait;
    long result;

    wait_enter(&wait, WAIT_futex);
    result = real_futex(word, operation, value, d, e, f);
    wait_leave(&wait);
    return result;
}

static long futex(long word, long operation, long value, long d, long e, long f)
{
    const void *lock = (const void *)word;

    if (may_be_lock(operation, value))
        return lock_waits(word, operation, value, d, e, f);
    if (is_futex_wait(operation))
        return futex_waits(word, operation, value, d, e, f);
    if (contention_is_waited_for(lock) && releases_lock(operation, value) && contention_is_proven(lock))
        return lock_wakes(word, operation, value, d, e, f);
    return real_futex(word, operation, value, d, e, f);
}

/* A call that succeeds returns 0, or the listener's descriptor where one is asked for; a positive number is
   otherwise the thread that could not take the filter over. */
static long restrict_by_seccomp(long operation, long flags, long filter)
{
    struct sandbox sandbox =
        sandbox_enter(seccomp_evaluate((const void *)filter), flags & SECCOMP_FILTER_FLAG_TSYNC);
    long result = real_syscall(SYS_seccomp, operation, flags, filter, 0, 0, 0);
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

static long raw_action(long sig, long action, long old, long size)
{
    struct raw_action copy;
    sigset_t mask = {{0}};
    long result;

    if (action && size == sizeof copy.mask && sig != SIGPROF &&
        nofault_can_read((const void *)action, sizeof copy)) {
        copy = *(const struct raw_action *)action;
        mask.__val[0] = copy.mask;
        sigprof_handler_mask_to_kernel((int)copy.flags, &mask);
        copy.mask = mask.__val[0];
        action = (long)&copy;
    }
    result = real_syscall(SYS_rt_sigaction, sig, action, old, size, 0, 0);
    if (!result && old) {
        mask.__val[0] = ((struct raw_action *)old)->mask;
        sigprof_mask_from_kernel(&mask);
        ((struct raw_action *)old)->mask = mask.__val[0];
    }
    return result;
}

static long masked(long mask, long number, long a, long b, long c, long d, long e, long f)
{
    bool opened = sigprof_wait_mask_begin((const sigset_t *)mask);
    long result = real_syscall(number, a, b, c, d, e, f);
    sigprof_wait_mask_end(opened);
    return result;
}

/* Variadic for its callers. Here with as many arguments as a system call can have, so that they stay in
 * registers. */
HOOK syscall_function hook_syscall __asm__("syscall");
long hook_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    switch (number) {
    case SYS_futex:
        return futex(a, b, c, d, e, f);
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
        if (a == SECCOMP_SET_MODE_FILTER && c)
            return restrict_by_seccomp(a, b, c);
        break;
    case SYS_sigaltstack:
        return sigaltstack((const stack_t *)a, (stack_t *)b);
    case SYS_rt_sigaction:
        return raw_action(a, b, c, d);
    case SYS_rt_sigsuspend:
        return masked(a, number, a, b, c, d, e, f);
    case SYS_ppoll:
        return masked(d, number, a, b, c, d, e, f);
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return masked(e, number, a, b, c, d, e, f);
    case SYS_pselect6: /* the mask is in a structure of it and its size */
        return masked(f && nofault_can_read((const long *)f, sizeof f) ? *(const long *)f : 0, number, a, b,
                      c, d, e, f);
    case SYS_tgkill:
        return tgkill((int)a, (int)b, (int)c);
    default:
        break;
    }
    return real_syscall(number, a, b, c, d, e, f);
}
