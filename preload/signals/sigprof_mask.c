/* SPDX-License-Identifier: Apache-2.0 */
/* Masks as the program means them and as the kernel has them: see the table in sigprof.h. */
#include "sampler/threads/thread_slots.h"
#include "sigprof_state.h"

void sigprof_mask_to_kernel(int how, sigset_t *set)
{
    uint64_t *bits = mask_word(set), named = *bits & both;
    if (!sigprof.is_virtual || !named)
        return;
    if (how == SIG_UNBLOCK) {
        *bits = named & prof ? *bits | both : *bits & ~both;
    } else {
        *bits = (*bits & ~both) | (named == both ? stand_in : named == prof ? both : 0);
        if (named == prof)
            note_seen(&sigprof.blocked_by_name);
    }
}

/* While the thread is in a handler on its alternate stack, SIGPROF stays blocked. */
void sigprof_own_mask_to_kernel(int how, sigset_t *set)
{
    sigprof_mask_to_kernel(how, set);
    if (!is_seen(&sigprof.has_alternate) || !is_on_alternate())
        return;
    if (how == SIG_SETMASK)
        *mask_word(set) |= prof;
    else if (how == SIG_UNBLOCK)
        *mask_word(set) &= ~prof;
}

/* A handler was left in a way that restored no mask. */
void sigprof_repair_mask(int how, const sigset_t *set, const sigset_t *old)
{
    uint64_t mask = *(const uint64_t *)old, change = set ? *(const uint64_t *)set : 0;
    if (!sigprof.is_virtual || !is_seen(&sigprof.has_alternate) || is_on_alternate())
        return;
    if (set && how == SIG_SETMASK)
        mask = change;
    else
        mask = how == SIG_UNBLOCK ? mask & ~change : mask | change;
    if ((mask & both) == prof)
        sigprof_change_mask(SIG_UNBLOCK, prof);
}

/* Both bits are set if SIGPROF was blocked by name, or if all signals were blocked and one was queued
   again. Signals that nobody blocks by name tell these apart. */
static uint64_t program_view(uint64_t mask)
{
    static const uint64_t never_named = SIGNAL_BIT(SIGPWR) | SIGNAL_BIT(SIGURG);
    switch (mask & both) {
    case 0:
        return mask;
    case SIGNAL_BIT(SIGPROF):
        return mask & ~prof;
    case SIGNAL_BIT(SIGSTKFLT):
        return mask | prof;
    default:
        return (mask & never_named) == never_named ? mask : mask & ~stand_in;
    }
}

void sigprof_mask_from_kernel(sigset_t *set)
{
    if (sigprof.is_virtual)
        *mask_word(set) = program_view(*mask_word(set));
}

struct sigprof_exec sigprof_exec_begin(void)
{
    struct sigprof_exec exposure = {0, false, false};
    uint64_t view;

    if (!sigprof.is_virtual || !seccomp_allows(CALL(rt_sigprocmask) | CALL(rt_sigaction)))
        return exposure;
    exposure.mask = sigprof_present_mask();
    view = program_view(exposure.mask);
    exposure.masked = view != exposure.mask;
    exposure.ignored = sigprof.program.sa_handler == SIG_IGN;
    if (exposure.masked) {
        if (exposure.mask & prof && is_on_alternate())
            sigprof_hold_back();
        sigprof_change_mask(SIG_SETMASK, view);
    }
    if (exposure.ignored)
        sigprof_ignore();
    return exposure;
}

void sigprof_exec_end(struct sigprof_exec exposure)
{
    if (exposure.ignored)
        sys_call(SYS_rt_sigaction, SIGPROF, &sigprof.ours, 0, sizeof sigprof.ours.mask);
    if (exposure.masked)
        sigprof_change_mask(SIG_SETMASK, exposure.mask);
}

bool sigprof_unmask_begin(void)
{
    if (!is_seen(&sigprof.has_alternate) || (sigprof_present_mask() & both) != prof)
        return false;
    if (is_on_alternate())
        sigprof_hold_back();
    sigprof_change_mask(SIG_UNBLOCK, prof);
    return true;
}

void sigprof_unmask_end(bool changed)
{
    if (changed)
        sigprof_change_mask(SIG_BLOCK, prof);
}

/* A thread that has no slot has a timer perhaps. */
struct sigprof_sending sigprof_send_begin(int process, int tid, int code, void *value)
{
    struct sigprof_sending sending = {0, false, false};
    int own;

    if (!seccomp_allows(CALLS_OWN_SIGNAL) || (process && process != sys_call(SYS_getpid)))
        return sending;
    own = (int)sys_call(SYS_gettid);
    if (tid == SIGPROF_TO_ITSELF || tid == own) {
        if (!thread_local_state.slot)
            sigprof_hold_back();
        sending.unmasked = sigprof_unmask_begin();
        tid = own;
    }
    sending.slot = sigprof_send_claim(tid, code, value);
    return sending;
}

bool sigprof_send_next(struct sigprof_sending *sending, bool failed)
{
    if (!sending->begun)
        return sending->begun = true;
    if (sigprof_send_again(sending->slot, failed))
        return true;
    sigprof_unmask_end(sending->unmasked);
    return false;
}

bool sigprof_wait_mask_matters(const sigset_t *temporary)
{
    return sigprof.is_virtual && temporary &&
           (is_function(&sigprof.program) || is_seen(&sigprof.blocked_by_name) ||
            is_seen(&sigprof.has_alternate));
}

/* A pending signal of ours would end the call with EINTR, which would not happen without the library. */
bool sigprof_wait_mask_begin(const sigset_t *temporary)
{
    uint64_t mask;

    if (!sigprof_wait_mask_matters(temporary))
        return false;
    mask = *(const uint64_t *)temporary;
    slot_private[thread_local_state.slot].temporary_mask = mask;
    if (mask & prof)
        return false;
    mask = sigprof_present_mask();
    if (mask & prof)
        sigprof_hold_back();
    if ((mask & both) != stand_in)
        return false;
    sigprof_change_mask(SIG_BLOCK, prof);
    return true;
}

void sigprof_wait_mask_end(bool opened)
{
    if (opened)
        sigprof_change_mask(SIG_UNBLOCK, prof);
}
