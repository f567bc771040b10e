/* SPDX-License-Identifier: Apache-2.0 */
#include "wait.h"

#include <string.h>

#include "condition.h"
#include "sampler/base/clock.h"
#include "sampler/samples/budget.h"
#include "sampler/samples/event.h"
#include "sampler/threads/cpu_timer.h"
#include "sampler/threads/thread_slots.h"
#include "sampler/threads/threads.h"

#include "sampler/base/poison.h"

/* A process forked from a profiled one joins with its first sample, with a wait that those do not make who
   soon exec (which are not worth a segment), or that it makes so long after the fork, or that has lasted so
   long. */
static const uint64_t join_at_age_ns = 20000000, join_after_ns = 50000000;

/* Input, output and children: most such calls are over at once, whatever the child does next. */
static bool is_of_brief_lives(enum wait_kind kind)
{
    switch (kind) {
    case WAIT_accept:
    case WAIT_accept4:
    case WAIT_mq_receive:
    case WAIT_mq_timedreceive:
    case WAIT_msgrcv:
        return false;
    case WAIT_fcntl:
        return true;
    default:
        return kind >= WAIT_read && kind <= WAIT_waitid;
    }
}

/* The calling thread's slot, made at need: it may wait for ever. */
static uint32_t slot_to_wait_in(enum wait_kind kind)
{
    if (!process_attached() &&
        (!process_forked_ticks() ||
         (is_of_brief_lives(kind) && clock_ns_of(clock_ticks() - process_forked_ticks()) < join_at_age_ns)))
        return 0;
    if (thread_local_state.slots_asked++ % 256) /* there is none */
        return 0;
    thread_adopt_self(0);
    return process_attached() ? thread_local_state.slot : 0;
}

/* A switch away and back takes longer. */
static const uint64_t shortest_ns = 2000;

static uint32_t sequence(const struct seg_thread *thread)
{
    return atomic_load_explicit(&thread->wait_sequence, memory_order_relaxed);
}

static void raise_sequence(struct seg_thread *thread)
{
    atomic_store_explicit(&thread->wait_sequence, sequence(thread) + 1, memory_order_release);
    /* What is written to the slot from here on is not seen before the number is. Pairs with the uploader's
       second look at it. */
    atomic_thread_fence(memory_order_release);
}

/*
 * The slot says that the thread waits already. Either a signal's handler interrupted that wait, and lies
 * further in on the stack or on another one; or the wait was left by a longjmp(), to a frame further out.
 */
static void set_outer_aside(struct wait *wait, struct seg_thread *thread)
{
    wait->is_inner = (uintptr_t)wait < thread->wait_regs[ARCH_SP] ||
                     (thread->stack_high && (uintptr_t)wait >= thread->stack_high);
    wait->outer.since = thread->wait_since_ticks;
    wait->outer.kind = thread->wait_kind;
    wait->outer.object = thread->wait_object;
    memcpy(wait->outer.regs, thread->wait_regs, sizeof wait->outer.regs);
    raise_sequence(thread);
}

static void put_outer_back(const struct wait *wait)
{
    struct seg_thread *thread = wait->thread;

    thread->wait_since_ticks = wait->outer.since;
    thread->wait_kind = wait->outer.kind;
    thread->wait_object = wait->outer.object;
    memcpy(thread->wait_regs, wait->outer.regs, sizeof wait->outer.regs);
    raise_sequence(thread);
}

/* Right before the call. A wait within another one leaves no mark, so that the outer one's end is never taken
   for that of a call that did not block. */
static void prepare_evidence(struct wait *wait)
{
    if (wait->is_inner) {
        if (switch_is_told())
            switch_unwatch();
    } else if (switch_watch_if_told()) {
        wait->evidence = EVIDENCE_MARK;
    } else {
        switch_trial_begin(&wait->trial);
        if (wait->trial.is_on)
            wait->evidence = EVIDENCE_TRIAL;
    }
}

struct seg_thread *wait_begin(struct wait *wait)
{
    struct segment *segment = process_attached();
    struct seg_thread *thread;

    wait->thread = NULL;
    wait->is_inner = false;
    wait->evidence = EVIDENCE_COUNT;
    if (__builtin_expect(thread_local_state.ended, 0)) {
        wait->profiles = 0;
        return NULL;
    }
    wait->slot = segment ? thread_local_state.slot : 0;
    if (__builtin_expect(!wait->slot, 0)) {
        wait->slot = slot_to_wait_in(wait->kind);
        segment = process_attached();
    }
    if (!wait->since)
        wait->since = clock_ticks();
    if (__builtin_expect(!wait->slot || !segment, 0)) {
        wait->slot = 0;
        return NULL;
    }
    wait->thread = thread = &segment->thread[wait->slot];
    if (__builtin_expect(sequence(thread) & 1, 0))
        set_outer_aside(wait, thread);
    prepare_evidence(wait);
    return thread;
}

/*
 * By the count of the calling thread's waits: it has risen since the last look. Looks cost a system call
 * each, and a call that is not due needs none of its own. But the one before a due call ought to be looked
 * at, so that what has risen rose in the due one. So calls are looked at when the next sample is near; those
 * that are so long that it does not matter are always. Where a call was due unexpectedly, the next ones are,
 * too: only a thread that mixes long calls that compute with shorter ones that block can be mistaken, and for
 * its first.
 */
static bool count_has_risen(struct slot_private *own, uint64_t ns, uint64_t rate, bool is_due)
{
    enum { DOUBTS = 64 };
    uint64_t near = rate / 8;
    bool was_fresh = own->is_fresh, has_risen;
    struct switch_counts now;

    own->is_fresh = false;
    if (!is_due && !own->doubts && ns < near && own->strata.left >= near)
        return false;
    if (!switch_count(&now))
        return true;
    has_risen = now.waited != own->waited;
    own->waited = now.waited;
    own->is_fresh = true;
    if (own->doubts)
        own->doubts--;
    if (is_due && has_risen && !was_fresh)
        own->doubts = DOUBTS;
    return has_risen;
}

/*
 * Waits of the rate, which budget.h may raise, and longer ones are all recorded. A thread's time in shorter ones is
 * cut into stretches of the rate, and each has one point, at random. A wait with points stands for their
 * stretches: for that much time, and for as many waits of its length as fit.
 */
static void sample(const struct wait *wait, uint64_t ns, uint64_t now)
{
    uint32_t slot = thread_local_state.slot;
    struct slot_private *own = &slot_private[slot];
    struct segment *segment = process_attached();
    uint64_t rate, since, stands_for;

    if (!(process_wanted() & 1u << PROFILE_BLOCK) || !segment || !slot)
        return;
    rate = budget_rate(slot, PROFILE_BLOCK,
                       atomic_load_explicit(&segment->control.block_rate_ns, memory_order_relaxed));
    since = atomic_load_explicit(&segment->control.block_since_ticks, memory_order_relaxed);
    if (WAIT_RARE(wait->since < since))
        ns = now > since ? clock_ns_of(now - since) : 0;
    if (!rate || !ns)
        return;
    stands_for = ns;
    if (ns < rate)
        stands_for = strata_pass(&own->strata, ns, rate);
    if (wait->evidence == EVIDENCE_COUNT && !count_has_risen(own, ns, rate, stands_for))
        return;
    if (stands_for)
        event_record(KIND_BLOCK, wait->kind, (uint64_t)(((unsigned __int128)stands_for << WEIGHT_SHIFT) / ns),
                     stands_for);
}

void wait_abandon(void)
{
    struct segment *segment = process_attached();
    uint32_t slot = thread_local_state.slot;

    if (segment && slot && sequence(&segment->thread[slot]) & 1)
        raise_sequence(&segment->thread[slot]);
    condition_abandon();
}

/* Not so in a child that a handler forked out of the wait: its parent's slot is none of its own. */
static void take_mark_back(const struct wait *wait)
{
    if (!wait->thread || thread_local_state.slot != wait->slot || process_is_fresh_child() ||
        !wait_is_marked(wait->thread))
        return;
    raise_sequence(wait->thread);
    if (wait->is_inner)
        put_outer_back(wait);
}

/* What the kernel says first, before anything here makes the thread wait. The mark is gone, or this would not
   have been called. */
__attribute__((noinline)) void wait_end(const struct wait *wait, uint64_t now)
{
    bool has_blocked = wait->evidence != EVIDENCE_TRIAL || switch_trial_end(&wait->trial);
    struct segment *segment;
    uint64_t ns;

    if (!wait->profiles)
        return;
    take_mark_back(wait);
    if (thread_local_state.ended)
        return;
    if (!now)
        now = clock_ticks();
    ns = now > wait->since ? clock_ns_of(now - wait->since) : 0;
    if (!wait->slot && ns >= join_after_ns)
        thread_adopt_self(0);
    segment = process_attached();
    if (segment)
        threads_serve_uploader(segment);
    if (segment && thread_local_state.slot)
        cpu_timer_follow_period(segment, thread_local_state.slot);
    if (has_blocked && (wait->evidence != EVIDENCE_COUNT || ns >= shortest_ns))
        sample(wait, ns, now);
}
