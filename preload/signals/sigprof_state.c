/* SPDX-License-Identifier: Apache-2.0 */
#include "sigprof_state.h"

#include "sampler/cpu/cpu.h"
#include "sampler/threads/cpu_timer.h"

struct sigprof sigprof = {.lock = ATOMIC_FLAG_INIT};

uint64_t sigprof_change_mask(int how, uint64_t set)
{
    uint64_t before = 0;
    if (seccomp_allows(CALL(rt_sigprocmask)))
        sys_call(SYS_rt_sigprocmask, how, &set, &before, sizeof set);
    return before;
}

uint64_t sigprof_present_mask(void)
{
    return sigprof_change_mask(SIG_BLOCK, 0);
}

uint64_t sigprof_enter(void)
{
    uint64_t before = sigprof_change_mask(SIG_SETMASK, all_signals);
    while (seccomp_allows(CALL(rt_sigprocmask)) &&
           atomic_flag_test_and_set_explicit(&sigprof.lock, memory_order_acquire))
        if (seccomp_allows(CALL(sched_yield)))
            sys_call(SYS_sched_yield);
    return before;
}

void sigprof_leave(uint64_t before)
{
    atomic_flag_clear_explicit(&sigprof.lock, memory_order_release);
    sigprof_change_mask(SIG_SETMASK, before);
}

/* The program's handler decides whether system calls are restarted and which stack is used: it may rely on it. */
void sigprof_install(void)
{
    int inherited = SA_RESTART | SA_ONSTACK;
    if (!seccomp_allows(CALL(rt_sigaction)))
        return;
    sigprof.ours.flags |= (unsigned long)inherited;
    if (is_function(&sigprof.program))
        sigprof.ours.flags &= ~(unsigned long)(inherited & ~sigprof.program.sa_flags);
    if (is_seen(&sigprof.has_small))
        sigprof.ours.flags &= ~(unsigned long)SA_ONSTACK;
    sys_call(SYS_rt_sigaction, SIGPROF, &sigprof.ours, 0, sizeof sigprof.ours.mask);
}

void sigprof_ignore(void)
{
    static const struct sys_sigaction ignore = {.handler = (void *)SIG_IGN};
    sys_call(SYS_rt_sigaction, SIGPROF, &ignore, 0, sizeof ignore.mask);
}

static void queue_again_to_itself(long pid, const siginfo_t *info)
{
    long tid = sys_call(SYS_gettid);
    sigprof_note_queued((int)tid, info->si_code, info->si_value.sival_ptr);
    sys_call(SYS_rt_tgsigqueueinfo, pid, tid, SIGPROF, info);
}

/* The main thread may give any si_code to itself and the process, the others to themselves only. So they send a
   plain signal and keep what it stands for. One is enough, since SIGPROF does not queue. */
void sigprof_queue_again(const siginfo_t *info)
{
    long pid;
    uint64_t before;

    if (!seccomp_allows(CALLS_OWN_SIGNAL)) /* then it is lost */
        return;
    pid = sys_call(SYS_getpid);
    if (info->si_code == SI_TKILL) {
        queue_again_to_itself(pid, info);
        return;
    }
    if (!sys_call(SYS_rt_sigqueueinfo, pid, SIGPROF, info))
        return;
    before = sigprof_enter();
    sigprof.kept = *info;
    sigprof.is_kept = true;
    sigprof_leave(before);
    sys_call(SYS_kill, pid, SIGPROF);
}

void sigprof_recall(siginfo_t *info)
{
    uint64_t before;
    if (info->si_code != SI_USER || !seccomp_allows(CALL(getpid)) || info->si_pid != sys_call(SYS_getpid))
        return;
    before = sigprof_enter();
    if (sigprof.is_kept)
        *info = sigprof.kept;
    sigprof.is_kept = false;
    sigprof_leave(before);
}

/* All are taken out of the queue before the program's is put back, because the kernel drops one that finds
   another pending. */
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
        sigprof_queue_again(&found);
    /* Found or dropped: since Linux 6.14, one of ours goes without a word when its timer was set meanwhile. */
    if (sigprof_was_sent(&info) && (!pending || found.si_code == SI_USER)) {
        sigprof_queue_again(&info);
        pending = true;
    }
    return pending;
}

void sigprof_hold_back(void)
{
    cpu_timer_put_off();
    sigprof_is_pending();
}

uint64_t sigprof_lock(void)
{
    return sigprof.is_virtual ? sigprof_enter() : 0;
}

void sigprof_unlock(uint64_t state)
{
    if (sigprof.is_virtual)
        sigprof_leave(state);
}
