/* SPDX-License-Identifier: Apache-2.0 */
/* Signals. SIGPROF's disposition and every mask go through preload/signals/sigprof.h. All other signals are
   left to the program. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "hooks/hooks.h"
#include "preload/signals/sigprof.h"
#include "sampler/base/clock.h"
#include "sampler/base/nofault.h"
#include "sampler/cpu/cpu.h"
#include "sampler/libc/libc.h"
#include "sampler/threads/threads.h"
#include "sampler/waits/wait.h"

static bool is_virtual(int sig)
{
    return sig == SIGPROF && sigprof_is_virtual();
}

/* ---- dispositions */

int sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction copy;
    uint64_t lock;
    int result;

    if (is_virtual(sig))
        return sigprof_action(action, old);
    if (!action || sig <= 0 || sig >= NSIG) {
        result = real.sigaction(sig, action, old);
    } else {
        copy = *action;
        sigprof_mask_to_kernel(SIG_BLOCK, &copy.sa_mask);
        lock = sigprof_lock();
        sigprof_handler_mask_to_kernel(copy.sa_flags, &copy.sa_mask);
        result = real.sigaction(sig, &copy, old);
        sigprof_unlock(lock);
    }
    if (!result && old)
        sigprof_mask_from_kernel(&old->sa_mask);
    return result;
}

static real_handler *set_prof(real_handler *handler, int flags, bool masks_itself)
{
    struct sigaction old, action = {.sa_handler = handler, .sa_flags = flags};

    sigemptyset(&action.sa_mask);
    if (masks_itself)
        sigaddset(&action.sa_mask, SIGPROF);
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    return sigprof_action(&action, &old) ? SIG_ERR : old.sa_handler;
}

real_handler *signal(int sig, real_handler *handler)
{
    return is_virtual(sig) ? set_prof(handler, SA_RESTART, true) : real.signal(sig, handler);
}

real_handler *bsd_signal(int sig, real_handler *handler)
{
    return is_virtual(sig) ? set_prof(handler, SA_RESTART, true) : real.bsd_signal(sig, handler);
}

real_handler *ssignal(int sig, real_handler *handler)
{
    return is_virtual(sig) ? set_prof(handler, SA_RESTART, true) : real.ssignal(sig, handler);
}

enum { SYSV_FLAGS = (int)SA_RESETHAND | SA_NODEFER };

real_handler *sysv_signal(int sig, real_handler *handler)
{
    return is_virtual(sig) ? set_prof(handler, SYSV_FLAGS, false) : real.sysv_signal(sig, handler);
}

real_handler *__sysv_signal(int sig, real_handler *handler)
{
    return is_virtual(sig) ? set_prof(handler, SYSV_FLAGS, false) : real.__sysv_signal(sig, handler);
}

/* Changes the mask for SIGPROF only. true: it was blocked before. */
static bool mask_prof(int how)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGPROF);
    sigprocmask(how, &set, &old);
    return sigismember(&old, SIGPROF);
}

real_handler *sigset(int sig, real_handler *handler)
{
    struct sigaction old;
    bool was_blocked;

    if (!is_virtual(sig))
        return real.sigset(sig, handler);
    sigprof_action(NULL, &old);
    if (handler != SIG_HOLD && set_prof(handler, 0, false) == SIG_ERR)
        return SIG_ERR;
    was_blocked = mask_prof(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK);
    return was_blocked ? SIG_HOLD : old.sa_handler;
}

int sigignore(int sig)
{
    if (is_virtual(sig))
        return set_prof(SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
    return real.sigignore(sig);
}

int siginterrupt(int sig, int interrupt)
{
    struct sigaction action;

    if (!is_virtual(sig))
        return real.siginterrupt(sig, interrupt);
    sigprof_action(NULL, &action);
    action.sa_flags = interrupt ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    return sigprof_action(&action, NULL);
}

int sigaltstack(const stack_t *stack, stack_t *old)
{
    int result;

    if (!stack || !nofault_can_read(stack, sizeof *stack))
        return real.sigaltstack(stack, old);
    sigprof_note_alternate(stack);
    result = real.sigaltstack(stack, old);
    if (!result)
        thread_set_alternate(stack->ss_sp, stack->ss_flags & SS_DISABLE ? 0 : stack->ss_size);
    return result;
}

/* ---- masks */

/* The kernel reads and writes this much of a set, and refuses a wrong address. */
static void correct_mask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t before = {{old->__val[0]}};
    sigprof_repair_mask(how, set, &before);
    sigprof_mask_from_kernel(&before);
    old->__val[0] = before.__val[0];
}

typedef int change_function(int how, const sigset_t *set, sigset_t *old);

/* change: the real function. Returns 0, or what that tells of an error. */
static int change_mask(change_function *change, int how, const sigset_t *set, sigset_t *old)
{
    sigset_t copy, before;
    int result;

    if (set) {
        copy = *set;
        sigprof_own_mask_to_kernel(how, &copy);
        set = &copy;
    }
    if (!old)
        old = &before;
    result = change(how, set, old);
    if (!result)
        correct_mask(how, set, old);
    if (set && sigprof_is_due())
        sigprof_is_pending();
    return result;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return change_mask(real.sigprocmask, how, set, old);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return change_mask(real.pthread_sigmask, how, set, old);
}

/* BSD's masks are an int: the lower half of a set's first word. */
static int change_int_mask(int how, int mask)
{
    sigset_t set, old;
    sigemptyset(&set);
    set.__val[0] = (unsigned)mask;
    return sigprocmask(how, &set, &old) ? -1 : (int)old.__val[0];
}

int sigblock(int mask)
{
    return change_int_mask(SIG_BLOCK, mask);
}

int sigsetmask(int mask)
{
    return change_int_mask(SIG_SETMASK, mask);
}

int siggetmask(void)
{
    return change_int_mask(SIG_BLOCK, 0);
}

int sighold(int sig)
{
    if (!is_virtual(sig))
        return real.sighold(sig);
    mask_prof(SIG_BLOCK);
    return 0;
}

int sigrelse(int sig)
{
    if (!is_virtual(sig))
        return real.sigrelse(sig);
    mask_prof(SIG_UNBLOCK);
    return 0;
}

int pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *set)
{
    sigset_t copy;
    if (!set)
        return real.pthread_attr_setsigmask_np(attr, set);
    copy = *set;
    sigprof_mask_to_kernel(SIG_SETMASK, &copy);
    return real.pthread_attr_setsigmask_np(attr, &copy);
}

int pthread_attr_getsigmask_np(const pthread_attr_t *attr, sigset_t *set)
{
    int result = real.pthread_attr_getsigmask_np(attr, set);
    if (!result)
        sigprof_mask_from_kernel(set);
    return result;
}

/* The kernel answers a NULL with EFAULT, although the headers say that it is never passed. */
static bool is_null(const void *pointer)
{
    __asm__("" : "+r"(pointer));
    return !pointer;
}

/* ---- waiting for signals: one of the library's own may be taken out of the queue, and is not the program's
   */

int sigpending(sigset_t *set)
{
    int result = real.sigpending(set);
    if (result || !sigprof_is_virtual() || (sigismember(set, SIGPROF) != 1 && !sigprof_is_due()))
        return result;
    if (sigprof_is_pending())
        sigaddset(set, SIGPROF);
    else
        sigdelset(set, SIGPROF);
    return result;
}

/* The rest of a timeout. A wrong timeout stays as it is, for the kernel to refuse. */
static struct timespec time_left(const struct timespec *timeout, uint64_t since_ns)
{
    int64_t passed = (int64_t)(clock_ns(CLOCK_MONOTONIC) - since_ns);
    struct timespec left = {timeout->tv_sec - passed / 1000000000, timeout->tv_nsec - passed % 1000000000};

    if (left.tv_nsec < 0) {
        left.tv_sec--;
        left.tv_nsec += 1000000000;
    }
    return left.tv_sec < 0 ? (struct timespec){0, 0} : left;
}

/* Waits again as long as only signals of ours come. */
static int wait_for_signal(enum wait_kind kind, const sigset_t *set, siginfo_t *info,
                           const struct timespec *timeout)
{
    uint64_t start = timeout ? clock_ns(CLOCK_MONOTONIC) : 0;
    struct timespec left;
    struct wait wait;
    int sig;

    wait_enter(&wait, kind);
    if (sigprof_is_due())
        sigprof_is_pending();
    sig = real.sigtimedwait(set, info, timeout);
    while (sig == SIGPROF && cpu_signal_is_ours(info)) {
        cpu_carry(info);
        if (sigprof_was_sent(info)) {
            if (info->si_code == SI_TKILL && libc.kind != LIBC_MUSL) /* as its function does */
                info->si_code = SI_USER;
            break;
        }
        if (timeout)
            left = time_left(timeout, start);
        sig = real.sigtimedwait(set, info, timeout ? &left : NULL);
    }
    wait_leave(&wait);
    if (sig == SIGPROF)
        sigprof_taken();
    return sig;
}

int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    siginfo_t own;
    return wait_for_signal(WAIT_sigtimedwait, set, info ? info : &own, timeout);
}

int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    siginfo_t own;
    return wait_for_signal(WAIT_sigwaitinfo, set, info ? info : &own, NULL);
}

static int sigwait_as_it_is(const sigset_t *set, int *sig)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_sigwait);
    result = real.sigwait(set, sig);
    wait_leave(&wait);
    return result;
}

int sigwait(const sigset_t *set, int *sig)
{
    siginfo_t info;
    int result, saved = errno;

    if (!sigprof_is_virtual() || is_null(set) || sigismember(set, SIGPROF) != 1)
        return sigwait_as_it_is(set, sig);
    do
        result = wait_for_signal(WAIT_sigwait, set, &info, NULL);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return errno;
    errno = saved;
    *sig = result;
    return 0;
}

/* ---- signals that the program sends to one thread */

int raise(int sig)
{
    struct sigprof_sending sending;
    int result = 0;

    if (!is_virtual(sig))
        return real.raise(sig);
    sending = sigprof_send_begin(0, SIGPROF_TO_ITSELF, SI_TKILL, NULL);
    while (sigprof_send_next(&sending, result))
        result = real.raise(sig);
    return result;
}

int gsignal(int sig)
{
    return raise(sig);
}

static int id_for_signal(pthread_t thread)
{
    return thread == pthread_self() ? SIGPROF_TO_ITSELF : thread_id(thread);
}

int pthread_kill(pthread_t thread, int sig)
{
    struct sigprof_sending sending;
    int error = 0;

    if (!is_virtual(sig))
        return real.pthread_kill(thread, sig);
    sending = sigprof_send_begin(0, id_for_signal(thread), SI_TKILL, NULL);
    while (sigprof_send_next(&sending, error))
        error = real.pthread_kill(thread, sig);
    return error;
}

int pthread_sigqueue(pthread_t thread, int sig, const union sigval value)
{
    struct sigprof_sending sending;
    int error = 0;

    if (!is_virtual(sig))
        return real.pthread_sigqueue(thread, sig, value);
    sending = sigprof_send_begin(0, id_for_signal(thread), SI_QUEUE, value.sival_ptr);
    while (sigprof_send_next(&sending, error))
        error = real.pthread_sigqueue(thread, sig, value);
    return error;
}

int tgkill(pid_t process, pid_t thread, int sig)
{
    struct sigprof_sending sending;
    int result = 0;

    if (!is_virtual(sig))
        return real.tgkill(process, thread, sig);
    sending = sigprof_send_begin(process, thread, SI_TKILL, NULL);
    while (sigprof_send_next(&sending, result))
        result = real.tgkill(process, thread, sig);
    return result;
}

/* A set of all signals means those that the program expects. If SIGPROF is asked for by name, ours are
   included. */
int signalfd(int fd, const sigset_t *set, int flags)
{
    sigset_t copy;
    if (!sigprof_is_virtual() || is_null(set))
        return real.signalfd(fd, set, flags);
    copy = *set;
    sigprof_mask_to_kernel(SIG_BLOCK, &copy);
    if (sigismember(&copy, SIGPROF) == 1)
        sigprof_note_descriptor();
    return real.signalfd(fd, &copy, flags);
}
