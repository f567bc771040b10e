/* SPDX-License-Identifier: Apache-2.0 */
/* The handler of SIGPROF, and the program's disposition of it. */
#include <string.h>
#include <sys/auxv.h>

#include "preload/real/real.h"
#include "sampler/cpu/cpu.h"
#include "sampler/process/process.h"
#include "sampler/threads/thread_slots.h"
#include "sigprof_state.h"

/* What the kernel would have done: its end. The signal is delivered when the handler returns. */
static void die(uint64_t *resumed_mask)
{
    static const struct sys_sigaction fallback;
    if (!seccomp_allows(CALLS_OWN_SIGNAL))
        return;
    sys_call(SYS_rt_sigaction, SIGPROF, &fallback, 0, sizeof fallback.mask);
    sys_call(SYS_tgkill, sys_call(SYS_getpid), sys_call(SYS_gettid), SIGPROF);
    *resumed_mask &= ~prof;
}

/* Takes the program's disposition, which SA_RESETHAND uses up. */
static struct sigaction take_action(void)
{
    uint64_t before = sigprof_enter();
    struct sigaction action = sigprof.program;
    if (is_function(&action) && action.sa_flags & SA_RESETHAND) {
        sigprof.program.sa_handler = SIG_DFL;
        sigprof.program.sa_flags &= ~SA_SIGINFO;
        sigprof_install();
    }
    sigprof_leave(before);
    return action;
}

static void deliver(siginfo_t *info, ucontext_t *context)
{
    uint64_t *resumed_mask = mask_word(&context->uc_sigmask), mask = *resumed_mask;
    struct sigaction action;

    sigprof_recall(info);
    if (mask & prof) { /* and yet it came: the thread waited with another mask */
        mask = thread_local_state.slot ? slot_private[thread_local_state.slot].temporary_mask : mask & ~both;
    } else if (mask & stand_in) {
        sigprof_queue_again(info);
        *resumed_mask |= prof;
        return;
    }
    if (info->si_code != SI_USER) /* that was sent to the process */
        sigprof_taken();
    action = take_action();
    if (action.sa_handler == SIG_IGN)
        return;
    if (action.sa_handler == SIG_DFL) {
        die(resumed_mask);
        return;
    }
    sigprof_mask_to_kernel(SIG_BLOCK, &action.sa_mask);
    sigprof_handler_mask_to_kernel(action.sa_flags, &action.sa_mask);
    mask |= *mask_word(&action.sa_mask) | (action.sa_flags & SA_NODEFER ? 0 : both);
    sigprof_change_mask(SIG_SETMASK, mask);
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
    atomic_fetch_add_explicit(&sigprof.handling, 1, memory_order_relaxed);
    was_ours = cpu_signal(info, context);
    atomic_fetch_sub_explicit(&sigprof.handling, 1, memory_order_release); /* sigprof_retire() acquires it */
    if (!was_ours || sigprof_was_sent(info))
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
    if (real.sigaction(SIGPROF, &action, &sigprof.program))
        return;
    sys_call(SYS_rt_sigaction, SIGPROF, 0, &sigprof.ours, sizeof sigprof.ours.mask);
    sigprof.ours.mask = all_signals;
    sigprof_install();
    sigprof.is_virtual = true;
    sigprof.least_frame = getauxval(AT_MINSIGSTKSZ);
    if ((sigprof_present_mask() & both) == both)
        sigprof_change_mask(SIG_UNBLOCK, prof);
    else if (sigprof_present_mask() & prof) {
        sigprof_change_mask(SIG_BLOCK, stand_in);
        note_seen(&sigprof.blocked_by_name);
    }
}

void sigprof_fork_child(void)
{
    atomic_flag_clear_explicit(&sigprof.lock, memory_order_relaxed);
}

bool sigprof_is_virtual(void)
{
    return sigprof.is_virtual;
}

int sigprof_action(const struct sigaction *action, struct sigaction *old)
{
    struct sigaction before;
    uint64_t mask;

    if (action && process_is_vforked()) { /* about to exec: its disposition is its own */
        if (old)
            *old = sigprof.program;
        return real.sigaction(SIGPROF, action, NULL);
    }
    mask = sigprof_enter();
    before = sigprof.program;
    if (action) {
        sigprof.program = *action;
        sigprof_install();
    }
    sigprof_leave(mask);
    if (old)
        *old = before;
    return 0;
}

/* A thread's own are delivered on its way back from the call that removed its timer, but where they are
   blocked. To ignore the signal removes it from the queue of every thread; who is inside of the handler needs
   a moment. */
void sigprof_retire(bool of_all)
{
    static const struct timespec moment = {0, 100000}, while_preempted = {0, 100000000};
    uint64_t before;

    if (!sigprof.is_virtual || !seccomp_allows(CALLS_OWN_SIGNAL | CALL(nanosleep)))
        return;
    sigprof_is_pending();
    if (!of_all)
        return;
    before = sigprof_enter();
    sigprof_ignore();
    for (int tries = 0; tries < 1000 && atomic_load_explicit(&sigprof.handling, memory_order_acquire);
         tries++)
        sys_call(SYS_nanosleep, &moment, 0);
    /* Who was preempted at the handler's first or last instruction. */
    sys_call(SYS_nanosleep, &while_preempted, 0);
    sigprof_install();
    sigprof_leave(before);
}
