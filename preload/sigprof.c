/* SPDX-License-Identifier: Apache-2.0 */
#include "sigprof.h"

#include <stdatomic.h>
#include <string.h>

#include "../sampler/process.h"
#include "../sampler/seccomp.h"
#include "../sampler/sys.h"
#include "../sampler/threads.h"
#include "real.h"

#define BIT(sig) (UINT64_C(1) << ((sig)-1))
static const uint64_t prof = BIT(SIGPROF), stand_in = BIT(SIGSTKFLT), all = ~UINT64_C(0);

/* What the kernel's rt_sigaction takes. */
struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static const struct kernel_action ignore = {.handler = (void (*)(int, siginfo_t *, void *))(void *)SIG_IGN};
static struct kernel_action ours;
static struct sigaction program; /* what it set; under lock */
static atomic_flag lock = ATOMIC_FLAG_INIT;
static bool is_virtual;
static _Atomic unsigned handling; /* threads that deal with a signal of ours */

/* The kernel's part of a sigset_t. */
static uint64_t *word(sigset_t *set)
{
    return (uint64_t *)set;
}

static uint64_t change_mask(int how, uint64_t set)
{
    uint64_t before = 0;
    if (seccomp_allows(CALL(rt_sigprocmask)))
        sys_call(SYS_rt_sigprocmask, how, &set, &before, sizeof set);
    return before;
}

static uint64_t present_mask(void)
{
    return change_mask(SIG_BLOCK, 0);
}

/* Held with every signal blocked, and for some stores only: also a handler may wait for it. */
static uint64_t enter(void)
{
    uint64_t before = change_mask(SIG_SETMASK, all);
    while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
        if (seccomp_allows(CALL(sched_yield)))
            sys_call(SYS_sched_yield);
    return before;
}

static void leave(uint64_t before)
{
    atomic_flag_clear_explicit(&lock, memory_order_release);
    change_mask(SIG_SETMASK, before);
}

static bool is_function(const struct sigaction *action)
{
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

/* A handler of the program's decides whether system calls are restarted and which stack is used: it may rely
 * on it. */
static void install(void)
{
    const int inherited = SA_RESTART | SA_ONSTACK;
    if (!seccomp_allows(CALL(rt_sigaction)))
        return;
    ours.flags |= (unsigned long)inherited;
    if (is_function(&program))
        ours.flags &= ~(unsigned long)(inherited & ~program.sa_flags);
    sys_call(SYS_rt_sigaction, SIGPROF, &ours, 0, sizeof ours.mask);
}

/* What was sent to the process and queued again by a thread that may not say so; under lock. */
static siginfo_t kept;
static bool is_kept;

/* To the process or the thread that it was sent to. The main thread may give any si_code to itself and the
   process, the others to themselves only: they send a plain one and keep what it stands for. One is enough:
   SIGPROF does not queue. */
static void queue_again(const siginfo_t *info)
{
    long pid;
    uint64_t before;

    if (!seccomp_allows(CALLS_OWN_SIGNAL)) /* then it is lost */
        return;
    pid = sys_call(SYS_getpid);
    if (info->si_code == SI_TKILL) {
        sys_call(SYS_rt_tgsigqueueinfo, pid, sys_call(SYS_gettid), SIGPROF, info);
        return;
    }
    if (!sys_call(SYS_rt_sigqueueinfo, pid, SIGPROF, info))
        return;
    before = enter();
    kept = *info;
    is_kept = true;
    leave(before);
    sys_call(SYS_kill, pid, SIGPROF);
}

/* The reverse: info becomes what was sent at first. */
static void recall(siginfo_t *info)
{
    uint64_t before;
    if (info->si_code != SI_USER || !seccomp_allows(CALL(getpid)) || info->si_pid != sys_call(SYS_getpid))
        return;
    before = enter();
    if (is_kept)
        *info = kept;
    is_kept = false;
    leave(before);
}

/* What the kernel would have done: its end. The signal is delivered when the handler returns. */
static void die(uint64_t *resumed_mask)
{
    static const struct kernel_action fallback;
    if (!seccomp_allows(CALLS_OWN_SIGNAL))
        return;
    sys_call(SYS_rt_sigaction, SIGPROF, &fallback, 0, sizeof fallback.mask);
    sys_call(SYS_tgkill, sys_call(SYS_getpid), sys_call(SYS_gettid), SIGPROF);
    *resumed_mask &= ~prof;
}

/* Takes the program's disposition, which SA_RESETHAND uses up. */
static struct sigaction take_action(void)
{
    uint64_t before = enter();
    struct sigaction action = program;
    if (is_function(&action) && action.sa_flags & SA_RESETHAND) {
        program.sa_handler = SIG_DFL;
        program.sa_flags &= ~SA_SIGINFO;
        install();
    }
    leave(before);
    return action;
}

static void deliver(siginfo_t *info, ucontext_t *context)
{
    uint64_t *resumed_mask = word(&context->uc_sigmask), mask;
    struct sigaction action;

    recall(info);
    if (*resumed_mask & stand_in) {
        queue_again(info);
        *resumed_mask |= prof;
        return;
    }
    action = take_action();
    if (action.sa_handler == SIG_IGN)
        return;
    if (action.sa_handler == SIG_DFL) {
        die(resumed_mask);
        return;
    }
    mask = *resumed_mask | *word(&action.sa_mask) | (action.sa_flags & SA_NODEFER ? 0 : prof);
    change_mask(SIG_SETMASK, mask);
    action.sa_sigaction(SIGPROF, info,
                        context); /* the kernel passes all three whatever SA_SIGINFO says, too */
}

static void handle(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    bool was_ours;

    atomic_fetch_add_explicit(&handling, 1, memory_order_relaxed);
    was_ours = cpu_signal(info, context);
    atomic_fetch_sub_explicit(&handling, 1, memory_order_release); /* sigprof_retire() acquires it */
    if (!was_ours)
        deliver(info, context);
}

/* libc installs it first, for its restorer: debuggers and unwinders know that one. Then again with every
   signal blocked, libc's own ones for cancellation and setuid() included, which its sigaction() leaves out.
 */
void sigprof_start(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    memset(&action.sa_mask, 0xff, sizeof action.sa_mask);
    if (real.sigaction(SIGPROF, &action, &program))
        return;
    sys_call(SYS_rt_sigaction, SIGPROF, 0, &ours, sizeof ours.mask);
    ours.mask = all;
    install();
    is_virtual = true;
    if ((present_mask() & (prof | stand_in)) == (prof | stand_in))
        change_mask(SIG_UNBLOCK, prof);
}

void sigprof_fork_child(void)
{
    atomic_flag_clear_explicit(&lock, memory_order_relaxed);
}

bool sigprof_is_virtual(void)
{
    return is_virtual;
}

int sigprof_action(const struct sigaction *action, struct sigaction *old)
{
    struct sigaction before;
    uint64_t mask;

    if (action && process_is_vforked()) { /* about to exec: its disposition is its own */
        if (old)
            *old = program;
        return real.sigaction(SIGPROF, action, NULL);
    }
    mask = enter();
    before = program;
    if (action) {
        program = *action;
        install();
    }
    leave(mask);
    if (old)
        *old = before;
    return 0;
}

void sigprof_hide(int how, sigset_t *set)
{
    uint64_t *bits = word(set), both = prof | stand_in;
    if (!is_virtual || !(*bits & both))
        return;
    if (how == SIG_UNBLOCK)
        *bits = *bits & prof ? *bits | both : *bits & ~both;
    else
        *bits &= (*bits & both) == both ? ~prof : ~stand_in;
}

void sigprof_show(sigset_t *set)
{
    if (is_virtual && *word(set) & stand_in)
        *word(set) |= prof;
}

/* All are taken out before the program's is put back: one that finds another pending is dropped by the
 * kernel. */
bool sigprof_is_pending(void)
{
    static const struct timespec now;
    siginfo_t info, found;
    bool pending = false;
    if (!seccomp_allows(CALL(rt_sigtimedwait)))
        return true;
    while (sys_call(SYS_rt_sigtimedwait, &prof, &info, &now, sizeof prof) == SIGPROF) {
        if (cpu_signal_is_ours(&info))
            continue;
        found = info;
        pending = true;
    }
    if (pending)
        queue_again(&found);
    return pending;
}

/* A thread's own are delivered on its way back from the call that removed its timer, but where they are
   blocked. To ignore the signal removes it from the queue of every thread; who is inside of the handler needs
   a moment. */
void sigprof_retire(bool of_all)
{
    static const struct timespec moment = {0, 100000};
    uint64_t before;

    if (!is_virtual || !seccomp_allows(CALLS_OWN_SIGNAL | CALL(nanosleep)))
        return;
    sigprof_is_pending();
    if (!of_all)
        return;
    before = enter();
    sys_call(SYS_rt_sigaction, SIGPROF, &ignore, 0, sizeof ignore.mask);
    for (int tries = 0; tries < 1000 && atomic_load_explicit(&handling, memory_order_acquire); tries++)
        sys_call(SYS_nanosleep, &moment, 0);
    install();
    leave(before);
}

struct sigprof_exposure sigprof_expose(void)
{
    struct sigprof_exposure exposure = {false, false};

    if (!is_virtual || !seccomp_allows(CALL(rt_sigprocmask) | CALL(rt_sigaction)))
        return exposure;
    exposure.masked = (present_mask() & (prof | stand_in)) == stand_in;
    exposure.ignored = program.sa_handler == SIG_IGN;
    if (exposure.masked)
        change_mask(SIG_BLOCK, prof);
    if (exposure.ignored)
        sys_call(SYS_rt_sigaction, SIGPROF, &ignore, 0, sizeof ignore.mask);
    return exposure;
}

void sigprof_conceal(struct sigprof_exposure exposure)
{
    if (exposure.ignored)
        sys_call(SYS_rt_sigaction, SIGPROF, &ours, 0, sizeof ours.mask);
    if (exposure.masked)
        change_mask(SIG_UNBLOCK, prof);
}
