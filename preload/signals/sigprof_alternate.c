/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers on alternate stacks: SIGPROF is blocked in them, and what came due is sampled when they are left. */
#include "sampler/base/arch.h"
#include "sampler/cpu/cpu.h"
#include "sampler/process/process.h"
#include "sigprof_state.h"

void sigprof_handler_mask_to_kernel(int flags, sigset_t *mask)
{
    if (sigprof.is_virtual && flags & SA_ONSTACK && is_seen(&sigprof.has_alternate))
        *mask_word(mask) |= prof;
}

/* Handlers that were installed before. Under the lock. */
static void mask_handlers(void)
{
    struct sys_sigaction action = {.flags = 0};

    for (int sig = 1; sig <= 64; sig++) {
        if (sig == SIGPROF || sys_call(SYS_rt_sigaction, sig, 0, &action, sizeof action.mask))
            continue;
        if (!(action.flags & SA_ONSTACK) || action.mask & prof || action.handler == (void *)SIG_DFL ||
            action.handler == (void *)SIG_IGN)
            continue;
        action.mask |= prof;
        sys_call(SYS_rt_sigaction, sig, &action, 0, sizeof action.mask);
    }
}

/* Once for each of the two facts. */
void sigprof_note_alternate(const stack_t *stack)
{
    bool is_small = stack->ss_size < sigprof.least_frame + SAMPLE_ROOM;
    uint64_t before;

    if (!sigprof.is_virtual || stack->ss_flags & SS_DISABLE ||
        (is_seen(&sigprof.has_alternate) && (!is_small || is_seen(&sigprof.has_small))) ||
        !seccomp_allows(CALL(rt_sigaction) | CALL(rt_sigprocmask)) || process_is_vforked())
        return;
    before = sigprof_enter();
    if (!is_seen(&sigprof.has_alternate)) {
        note_seen(&sigprof.has_alternate);
        mask_handlers();
    }
    if (is_small && !is_seen(&sigprof.has_small)) {
        note_seen(&sigprof.has_small);
        sigprof_install();
    }
    sigprof_leave(before | (is_on_alternate() ? prof : 0));
}

/* A handler that is left by a jump does not return, so what came due in it is sampled now. The stack that
   is left may be too small for a sample, so a spare one is used. All signals are blocked meanwhile, because
   the kernel would put a handler's frame at the start of the alternate stack. */
static void record_carried(void)
{
    static char spare[4 * SAMPLE_ROOM] __attribute__((aligned(16)));
    static atomic_flag taken = ATOMIC_FLAG_INIT;
    struct arch_regs regs;
    uint64_t before;

    if (!cpu_carries() || !seccomp_allows(CALL(rt_sigprocmask)) ||
        atomic_flag_test_and_set_explicit(&taken, memory_order_acquire))
        return;
    before = sigprof_change_mask(SIG_SETMASK, all_signals);
    arch_capture(&regs);
    arch_call_on(spare + sizeof spare, cpu_record_carried, &regs);
    sigprof_change_mask(SIG_SETMASK, before);
    atomic_flag_clear_explicit(&taken, memory_order_release); /* the next one's stores come after ours */
}

void sigprof_leave_handler(bool restores)
{
    bool alternate = is_on_alternate();

    if (!is_seen(&sigprof.has_alternate) || (restores && !alternate))
        return;
    if (alternate) {
        sigprof_hold_back();
        record_carried();
    }
    if ((sigprof_present_mask() & both) == prof)
        sigprof_change_mask(SIG_UNBLOCK, prof);
}
