/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Around each call that may block. wait_enter() writes what the thread waits in, since when, and the
 * registers to its slot of the segment, where the uploader finds and unwinds it from outside; wait_leave()
 * takes that back, and records the wait in the block profile if it really was one.
 *
 * Use, in a hook:
 *     wait_enter(&wait, WAIT_read);
 *     result = real.read(fd, buffer, size);
 *     wait_leave(&wait);
 *
 * Signal-safe, and harmless in a child of vfork(), which does it in its parent's name. errno untouched. A
 * handler that waits inside a wait puts the outer one back; one that leaves it by longjmp() says so by
 * wait_abandon(). A wait that is left by an exception leaves its mark standing until the thread waits again
 * at the same depth or further out, or ends: a clean-up attribute would see that, but needs the unwinder's
 * library in every C program.
 */
#ifndef CPROF_SAMPLER_WAIT_H
#define CPROF_SAMPLER_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/base/clock.h"
#include "sampler/process/process.h"
#include "sampler/segment/layout.h"
#include "sampler/threads/thread_local.h"
#include "switch_detection.h"

/* A wait's mark in the slot. */
struct wait_mark {
    uint64_t since;
    uint64_t regs[LAYOUT_REGS];
    uint64_t object;
    uint32_t kind;
};

/* How it will be known whether the call blocked: see switch_detection.h. */
enum wait_evidence { EVIDENCE_MARK, EVIDENCE_TRIAL, EVIDENCE_COUNT };

struct wait {
    uint32_t profiles;         /* 0: nothing to do */
    uint32_t slot;             /* 0: the thread has none */
    struct seg_thread *thread; /* of that slot; NULL: none */
    uint64_t since;            /* ticks */
    enum wait_kind kind;
    bool is_inner;
    uint8_t evidence; /* enum wait_evidence */
    struct switch_trial trial;
    struct wait_mark outer; /* while is_inner */
};

enum {
    WAIT_PROFILES = 1u << PROFILE_BLOCK | 1u << PROFILE_WALL | 1u << PROFILE_OFF_CPU | 1u << PROFILE_THREADS,
};

static inline bool wait_is_marked(const struct seg_thread *thread)
{
    return atomic_load_explicit(&thread->wait_sequence, memory_order_relaxed) & 1;
}

/* Any of the profiles of waits is on. */
static inline bool wait_is_wanted(void)
{
    return process_wanted() & WAIT_PROFILES;
}

/* Any that has to do with locks. */
static inline bool wait_at_locks_is_wanted(void)
{
    return process_wanted() & (WAIT_PROFILES | 1u << PROFILE_MUTEX);
}

/* false: a child, most likely, that has not joined yet, and joins by a wait that may be a longer one alone.
 */
static inline bool wait_has_segment(void)
{
    return atomic_load_explicit(&process_current, memory_order_relaxed) && !process_is_fresh_child();
}

/* Where there is more to do than to mark: the thread has no slot yet, is in a wait already, or in a child
   that has not noticed. Its slot, if it is in a segment of this process; NULL: it is not. */
struct seg_thread *wait_begin(struct wait *wait);

/* All but the end of a wait that was none, and not within another one. now: ticks, or 0. */
void wait_end(const struct wait *wait, uint64_t now);

/* The calling thread jumps out of whatever it waits in. */
void wait_abandon(void);

#define WAIT_RARE(x) __builtin_expect(!!(x), 0)

/* object: what is waited for, where that tells who is: see seg_thread.wait_object. now: ticks, or 0 where
   they are not known. Everything that can be known before the wait is looked at here: after a system call
   branches are often mispredicted. */
__attribute__((always_inline)) static inline void
wait_enter_wanted(struct wait *wait, uint32_t profiles, enum wait_kind kind, uintptr_t object, uint64_t now)
{
    struct segment *segment = atomic_load_explicit(&process_current, memory_order_relaxed);
    struct seg_thread *thread;
    uint32_t sequence;

    wait->slot = thread_local_state.slot;
    wait->profiles = profiles;
    wait->kind = kind;
    wait->since = now;
    thread = segment ? &segment->thread[wait->slot] : NULL;
    if (WAIT_RARE(!segment) || WAIT_RARE(!wait->slot) || WAIT_RARE(process_is_fresh_child()) ||
        WAIT_RARE(wait_is_marked(thread)) || WAIT_RARE(!switch_watch_if_told())) {
        thread = wait_begin(wait);
        if (!thread)
            return;
    } else {
        wait->is_inner = false;
        wait->evidence = EVIDENCE_MARK;
        wait->thread = thread;
        if (!now)
            wait->since = clock_ticks();
    }
    /* Inline: the frame whose registers these are must be there as long as the wait is. */
    arch_capture_words(thread->wait_regs);
    thread->wait_kind = kind;
    thread->wait_object = object;
    thread->wait_since_ticks = wait->since;
    /* Odd; release: who sees it sees the above. Pairs with the uploader's acquire before it reads them. */
    sequence = atomic_load_explicit(&thread->wait_sequence, memory_order_relaxed);
    atomic_store_explicit(&thread->wait_sequence, sequence + 1, memory_order_release);
}

__attribute__((always_inline)) static inline void wait_enter_for(struct wait *wait, enum wait_kind kind,
                                                                 uintptr_t object, uint64_t now)
{
    uint32_t profiles = process_wanted() & WAIT_PROFILES;

    wait->thread = NULL;
    wait->profiles = 0;
    if (profiles)
        wait_enter_wanted(wait, profiles, kind, object, now);
}

__attribute__((always_inline)) static inline void wait_enter(struct wait *wait, enum wait_kind kind)
{
    wait_enter_for(wait, kind, 0, 0);
}

/* now: ticks, or 0 where they are not known. */
__attribute__((always_inline)) static inline void wait_leave_at(struct wait *wait, uint64_t now)
{
    struct seg_thread *thread = wait->thread;
    uint32_t sequence;

    if (WAIT_RARE(!thread) || WAIT_RARE(!switch_unwatch_if_watched())) {
        wait_end(wait, now);
        return;
    }
    /* Not switched away, and no signal: nothing is otherwise than it was left. */
    sequence = atomic_load_explicit(&thread->wait_sequence, memory_order_relaxed);
    atomic_store_explicit(&thread->wait_sequence, sequence + 1, memory_order_release);
    /* What is written to the slot from here on is not seen before the number is. Pairs with the uploader's
       second look at it. */
    atomic_thread_fence(memory_order_release);
}
static inline void wait_leave(struct wait *wait)
{
    wait_leave_at(wait, 0);
}

#endif
