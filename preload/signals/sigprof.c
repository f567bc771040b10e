/* SPDX-License-Identifier: Apache-2.0 */
#include "sigprof.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>

#include "preload/real/real.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/cpu/cpu.h"
#include "sampler/process/process.h"
#include "sampler/threads/cpu_timer.h"
#include "sampler/threads/thread_local.h"
#include "sampler/threads/thread_slots.h"

#define BIT(sig) (UINT64_C(1) << ((sig)-1))
static const uint64_t prof = BIT(SIGPROF), stand_in = BIT(SIGSTKFLT), both = prof | stand_in,
                      all = ~UINT64_C(0);

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

/* What was seen so far in any thread; once true, it stays. */
static _Atomic bool blocked_by_name; /* SIGPROF itself, in some mask */
static _Atomic bool has_alternate;   /* an alternate stack */
static _Atomic bool has_small;       /* one without room for a sample */
enum { OWN_USE = 4096 };             /* what a sample needs of the stack */
static size_t least_frame;           /* what the kernel puts on a stack for a signal, at most */

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
    while (seccomp_allows(CALL(rt_sigprocmask)) &&
           atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
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

static bool is_seen(_Atomic bool *what)
{
    return __builtin_expect(atomic_load_explicit(what, memory_order_relaxed), 0);
}

static void see(_Atomic bool *what)
{
    atomic_store_explicit(what, true, memory_order_relaxed);
}

__attribute__((always_inline)) static inline bool on_alternate(void)
{
    return thread_alternate_left() != 0;
}

/* A handler of the program's decides whether system calls are restarted and which stack is used: it may rely
 * on it. */
static void install(void)
{
    int inherited = SA_RESTART | SA_ONSTACK;
    if (!seccomp_allows(CALL(rt_sigaction)))
        return;
    ours.flags |= (unsigned long)inherited;
    if (is_function(&program))
        ours.flags &= ~(unsigned long)(inherited & ~program.sa_flags);
    if (is_seen(&has_small))
        ours.flags &= ~(unsigned long)SA_ONSTACK;
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
    uint64_t *resumed_mask = word(&context->uc_sigmask), mask = *resumed_mask;
    struct sigaction action;

    recall(info);
    if (mask & prof) { /* and yet it came: the thread waited with another mask */
        mask = thread_local_state.slot ? slot_private[thread_local_state.slot].temporary_mask : mask & ~both;
    } else if (mask & stand_in) {
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
    sigprof_mask_to_kernel(SIG_BLOCK, &action.sa_mask);
    sigprof_handler_mask_to_kernel(action.sa_flags, &action.sa_mask);
    mask |= *word(&action.sa_mask) | (action.sa_flags & SA_NODEFER ? 0 : both);
    change_mask(SIG_SETMASK, mask);
    action.sa_sigaction(SIGPROF, info,
                        context); /* the kernel passes all three whatever SA_SIGINFO says, too */
}

static void handle(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    const stack_t *alternate = &((const ucontext_t *)context)->uc_stack;
    bool was_ours;

    if (!(alternate->ss_flags & SS_DISABLE)) { /* set by a system call that nobody saw, perhaps */
        sigprof_note_alternate(alternate);
        thread_set_alternate(alternate->ss_sp, alternate->ss_size);
    }
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
    least_frame = getauxval(AT_MINSIGSTKSZ);
    if ((present_mask() & both) == both)
        change_mask(SIG_UNBLOCK, prof);
    else if (present_mask() & prof) {
        change_mask(SIG_BLOCK, stand_in);
        see(&blocked_by_name);
    }
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

void sigprof_mask_to_kernel(int how, sigset_t *set)
{
    uint64_t *bits = word(set), named = *bits & both;
    if (!is_virtual || !named)
        return;
    if (how == SIG_UNBLOCK) {
        *bits = named & prof ? *bits | both : *bits & ~both;
    } else {
        *bits = (*bits & ~both) | (named == both ? stand_in : named == prof ? both : 0);
        if (named == prof)
            see(&blocked_by_name);
    }
}

/* As far as the thread is in a handler on its alternate stack, SIGPROF stays blocked. */
void sigprof_own_mask_to_kernel(int how, sigset_t *set)
{
    sigprof_mask_to_kernel(how, set);
    if (!is_seen(&has_alternate) || !on_alternate())
        return;
    if (how == SIG_SETMASK)
        *word(set) |= prof;
    else if (how == SIG_UNBLOCK)
        *word(set) &= ~prof;
}

/* A handler was left in a way that restored no mask. */
void sigprof_mend_mask(int how, const sigset_t *set, const sigset_t *old)
{
    uint64_t mask = *(const uint64_t *)old, change = set ? *(const uint64_t *)set : 0;
    if (!is_virtual || !is_seen(&has_alternate) || on_alternate())
        return;
    if (set && how == SIG_SETMASK)
        mask = change;
    else
        mask = how == SIG_UNBLOCK ? mask & ~change : mask | change;
    if ((mask & both) == prof)
        change_mask(SIG_UNBLOCK, prof);
}

/* Both are blocked where SIGPROF is by name, and after all signals were and one was queued again. What nobody
   names is blocked with all only. */
static uint64_t program_view(uint64_t mask)
{
    static const uint64_t never_named = BIT(SIGPWR) | BIT(SIGURG);
    switch (mask & both) {
    case 0:
        return mask;
    case BIT(SIGPROF):
        return mask & ~prof;
    case BIT(SIGSTKFLT):
        return mask | prof;
    default:
        return (mask & never_named) == never_named ? mask : mask & ~stand_in;
    }
}

void sigprof_mask_from_kernel(sigset_t *set)
{
    if (is_virtual)
        *word(set) = program_view(*word(set));
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
        if (cpu_signal_is_ours(&info)) {
            cpu_carry(&info);
            continue;
        }
        found = info;
        pending = true;
    }
    if (pending)
        queue_again(&found);
    return pending;
}

/* No signal of ours is pending in the calling thread, nor comes in its next moments. */
static void hold_back(void)
{
    cpu_timer_put_off();
    sigprof_is_pending();
}

/* A thread's own are delivered on its way back from the call that removed its timer, but where they are
   blocked. To ignore the signal removes it from the queue of every thread; who is inside of the handler needs
   a moment. */
void sigprof_retire(bool of_all)
{
    static const struct timespec moment = {0, 100000}, while_preempted = {0, 100000000};
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
    /* Who was preempted at the handler's first or last instruction. */
    sys_call(SYS_nanosleep, &while_preempted, 0);
    install();
    leave(before);
}

struct sigprof_exposure sigprof_expose(void)
{
    struct sigprof_exposure exposure = {0, false, false};
    uint64_t view;

    if (!is_virtual || !seccomp_allows(CALL(rt_sigprocmask) | CALL(rt_sigaction)))
        return exposure;
    exposure.mask = present_mask();
    view = program_view(exposure.mask);
    exposure.masked = view != exposure.mask;
    exposure.ignored = program.sa_handler == SIG_IGN;
    if (exposure.masked) {
        if (exposure.mask & prof && on_alternate())
            hold_back();
        change_mask(SIG_SETMASK, view);
    }
    if (exposure.ignored)
        sys_call(SYS_rt_sigaction, SIGPROF, &ignore, 0, sizeof ignore.mask);
    return exposure;
}

void sigprof_conceal(struct sigprof_exposure exposure)
{
    if (exposure.ignored)
        sys_call(SYS_rt_sigaction, SIGPROF, &ours, 0, sizeof ours.mask);
    if (exposure.masked)
        change_mask(SIG_SETMASK, exposure.mask);
}

/* ---- alternate stacks */

void sigprof_handler_mask_to_kernel(int flags, sigset_t *mask)
{
    if (is_virtual && flags & SA_ONSTACK && is_seen(&has_alternate))
        *word(mask) |= prof;
}

uint64_t sigprof_lock(void)
{
    return is_virtual ? enter() : 0;
}

void sigprof_unlock(uint64_t state)
{
    if (is_virtual)
        leave(state);
}

/* Handlers that were installed before. Under lock. */
static void mask_handlers(void)
{
    struct kernel_action action = {.flags = 0};

    for (int sig = 1; sig <= 64; sig++) {
        if (sig == SIGPROF || sys_call(SYS_rt_sigaction, sig, 0, &action, sizeof action.mask))
            continue;
        if (!(action.flags & SA_ONSTACK) || action.mask & prof || (void *)action.handler == (void *)SIG_DFL ||
            (void *)action.handler == (void *)SIG_IGN)
            continue;
        action.mask |= prof;
        sys_call(SYS_rt_sigaction, sig, &action, 0, sizeof action.mask);
    }
}

/* Once for each of the two facts. */
void sigprof_note_alternate(const stack_t *stack)
{
    bool is_small = stack->ss_size < least_frame + OWN_USE;
    uint64_t before;

    if (!is_virtual || stack->ss_flags & SS_DISABLE ||
        (is_seen(&has_alternate) && (!is_small || is_seen(&has_small))) ||
        !seccomp_allows(CALL(rt_sigaction) | CALL(rt_sigprocmask)) || process_is_vforked())
        return;
    before = enter();
    if (!is_seen(&has_alternate)) {
        see(&has_alternate);
        mask_handlers();
    }
    if (is_small && !is_seen(&has_small)) {
        see(&has_small);
        install();
    }
    leave(before | (on_alternate() ? prof : 0));
}

/* A handler that is left by a jump is never returned from, so what came due in it is its own. The stack that
   is left may be too small for a sample. All signals are blocked: the kernel would take a handler's frame on
   the alternate stack for the first one there. */
static void record_carried(void)
{
    static char spare[4 * OWN_USE] __attribute__((aligned(16)));
    static atomic_flag taken = ATOMIC_FLAG_INIT;
    struct arch_regs regs;
    uint64_t before;

    if (!cpu_carries() || !seccomp_allows(CALL(rt_sigprocmask)) ||
        atomic_flag_test_and_set_explicit(&taken, memory_order_acquire))
        return;
    before = change_mask(SIG_SETMASK, all);
    arch_capture(&regs);
    arch_call_on(spare + sizeof spare, cpu_record_carried, &regs);
    change_mask(SIG_SETMASK, before);
    atomic_flag_clear_explicit(&taken, memory_order_release); /* the next one's stores come after ours */
}

void sigprof_leave_handler(bool restores)
{
    bool alternate = on_alternate();

    if (!is_seen(&has_alternate) || (restores && !alternate))
        return;
    if (alternate) {
        hold_back();
        record_carried();
    }
    if ((present_mask() & both) == prof)
        change_mask(SIG_UNBLOCK, prof);
}

bool sigprof_bare_begin(void)
{
    if (!is_seen(&has_alternate) || (present_mask() & both) != prof)
        return false;
    if (on_alternate())
        hold_back();
    change_mask(SIG_UNBLOCK, prof);
    return true;
}

void sigprof_bare_end(bool changed)
{
    if (changed)
        change_mask(SIG_BLOCK, prof);
}

/* ---- signals that the program sends, and waits for with another mask */

bool sigprof_make_way(void)
{
    hold_back();
    return sigprof_bare_begin();
}

bool sigprof_may_open(const sigset_t *temporary)
{
    return is_virtual && temporary &&
           (is_function(&program) || is_seen(&blocked_by_name) || is_seen(&has_alternate));
}

/* One of ours that was pending would end the call with EINTR, as it would not bare. */
bool sigprof_open(const sigset_t *temporary)
{
    uint64_t mask;

    if (!sigprof_may_open(temporary))
        return false;
    mask = *(const uint64_t *)temporary;
    slot_private[thread_local_state.slot].temporary_mask = mask;
    if (mask & prof)
        return false;
    mask = present_mask();
    if (mask & prof)
        hold_back();
    if ((mask & both) != stand_in)
        return false;
    change_mask(SIG_BLOCK, prof);
    return true;
}

void sigprof_close(bool opened)
{
    if (opened)
        change_mask(SIG_UNBLOCK, prof);
}
