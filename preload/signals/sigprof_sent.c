/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SIGPROF that the program sends to one thread. The kernel keeps one such signal in a thread's queue and drops
 * those that come after it, except a timer's. So a signal of the program's is dropped if one of ours is there.
 * Whoever sends one therefore says so in the thread's slot:
 *
 *     any       -> UNDERWAY   the sender, before it sends
 *     UNDERWAY  -> DONE       the sender, after it sent
 *     UNDERWAY  -> MET        the thread took one of ours meanwhile: it is sent again
 *     any       -> NONE       the thread took the program's
 *     any       -> DONE       the thread took it and put it into the queue again
 *
 * If the thread takes one of ours and finds DONE, the program's was dropped: it had come before that one was
 * taken, and had it found no other it would be the first of the two. So ours stands for both.
 *
 * Since Linux 6.14, setting a timer takes what it has in a queue along. So who is about to wait, to unblock SIGPROF or to
 * look what is pending, and finds DONE, has the signal put into the queue again (sigprof_is_due()).
 *
 * A word is (thread id, state): what the slot's last owner left says nothing. Signals to the process are in another
 * queue, where none of ours is.
 */
#include "sampler/process/process.h"
#include "sampler/threads/thread_slots.h"
#include "sigprof_state.h"

enum { SENT_NONE, SENT_UNDERWAY, SENT_MET, SENT_DONE, SENT_STATES };

static _Atomic bool has_descriptor; /* a signalfd() with SIGPROF itself in its set; once true, it stays */

/* Thread ids have 22 bits at most: PID_MAX_LIMIT in linux/threads.h. */
static uint32_t word(int tid, unsigned state)
{
    return (uint32_t)tid * SENT_STATES + state;
}

/* Release: with the acquire in sigprof_was_sent() and describe(), what the signal says is there with DONE, and was read
   before NONE. */
static bool change(struct slot_private *to, int tid, unsigned from, unsigned state)
{
    uint32_t expected = word(tid, from);
    return atomic_compare_exchange_strong_explicit(&to->sent, &expected, word(tid, state),
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* What the signal says, if none is on its way: of several, the first counts, as in the kernel. */
static void describe(struct slot_private *to, int tid, int code, void *value)
{
    uint32_t now = atomic_load_explicit(&to->sent, memory_order_acquire);
    if (now / SENT_STATES == (unsigned)tid && now % SENT_STATES != SENT_NONE)
        return;
    to->sent_code = (int16_t)code;
    to->sent_value = (uintptr_t)value;
}

static uint32_t find_slot(int tid)
{
    struct segment *segment = process_attached();
    return segment && tid > 0 && !is_seen(&has_descriptor) ? thread_slot_of(segment, tid) : 0;
}

/* Several may be at it: each is content with a signal that is taken after it began. */
uint32_t sigprof_send_claim(int tid, int code, void *value)
{
    uint32_t slot = find_slot(tid);
    if (slot) {
        describe(&slot_private[slot], tid, code, value);
        atomic_store_explicit(&slot_private[slot].sent, word(tid, SENT_UNDERWAY), memory_order_release);
    }
    return slot;
}

void sigprof_note_queued(int tid, int code, void *value)
{
    uint32_t slot = find_slot(tid);
    if (slot) {
        describe(&slot_private[slot], tid, code, value);
        atomic_store_explicit(&slot_private[slot].sent, word(tid, SENT_DONE), memory_order_release);
    }
}

/* After a failure the state is NONE, so neither change is made. */
bool sigprof_send_again(uint32_t slot, bool failed)
{
    struct slot_private *to = &slot_private[slot];
    int tid = atomic_load_explicit(&to->tid, memory_order_relaxed);

    if (!slot)
        return false;
    if (failed && !change(to, tid, SENT_UNDERWAY, SENT_NONE))
        change(to, tid, SENT_MET, SENT_NONE);
    return !change(to, tid, SENT_UNDERWAY, SENT_DONE) && change(to, tid, SENT_MET, SENT_UNDERWAY);
}

/* A child of vfork() has its parent's slot, as in sigprof_taken(). */
bool sigprof_was_sent(siginfo_t *info)
{
    struct slot_private *own = &slot_private[thread_local_state.slot];
    int tid = atomic_load_explicit(&own->tid, memory_order_relaxed);
    uint32_t now = thread_local_state.slot ? atomic_load_explicit(&own->sent, memory_order_acquire) : 0;

    if (now == word(tid, SENT_UNDERWAY) && !change(own, tid, SENT_UNDERWAY, SENT_MET))
        now = atomic_load_explicit(&own->sent, memory_order_acquire); /* it was sent at this moment */
    if (now != word(tid, SENT_DONE) || !seccomp_allows(CALL(getpid) | CALL(gettid)) ||
        tid != sys_call(SYS_gettid))
        return false;
    *info = (siginfo_t){.si_signo = SIGPROF, .si_code = own->sent_code};
    info->si_pid = (pid_t)sys_call(SYS_getpid);
    info->si_uid = seccomp_allows(CALL(getuid)) ? (uid_t)sys_call(SYS_getuid) : 0;
    info->si_value.sival_ptr = (void *)own->sent_value;
    return true;
}

bool sigprof_is_due(void)
{
    const struct slot_private *own = &slot_private[thread_local_state.slot];
    int tid = atomic_load_explicit(&own->tid, memory_order_relaxed);
    return thread_local_state.slot &&
           atomic_load_explicit(&own->sent, memory_order_acquire) == word(tid, SENT_DONE);
}

void sigprof_taken(void)
{
    struct slot_private *own = &slot_private[thread_local_state.slot];
    int tid = atomic_load_explicit(&own->tid, memory_order_relaxed);
    uint32_t now = atomic_load_explicit(&own->sent, memory_order_relaxed);

    if (thread_local_state.slot && now / SENT_STATES == (unsigned)tid && now % SENT_STATES != SENT_NONE &&
        seccomp_allows(CALL(gettid)) && tid == sys_call(SYS_gettid))
        atomic_store_explicit(&own->sent, word(tid, SENT_NONE), memory_order_release);
}

void sigprof_note_descriptor(void)
{
    note_seen(&has_descriptor);
}
