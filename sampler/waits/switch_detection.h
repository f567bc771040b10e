/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a call blocked, which its length alone does not say: it may have computed in the kernel.
 *
 * By count: the kernel counts how often each thread gave up its CPU of its own accord (getrusage(2),
 * ru_nvcsw). That is documented and exact, but a system call, so it is asked for few calls only (wait.c).
 *
 * By mark: up to Linux 6.18 the kernel clears the rseq area's critical section when it resumes a thread that
 * is outside of it. One that the thread is never in so serves as a mark, and a call that returns with the
 * mark still standing did not block. No document promises this, and from 6.19 on it is so no more for a
 * thread that waited in a system call. So each process compares both for its first calls; only where they
 * agree the mark is believed, and saves a call that did not block its second look at the clock.
 *
 * The area is glibc's, and a program may use it as well (tcmalloc does): what it stores there overwrites the
 * mark, which then says "perhaps".
 */
#ifndef CPROF_SAMPLER_SWITCH_DETECTION_H
#define CPROF_SAMPLER_SWITCH_DETECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/rseq.h>

#include "sampler/base/arch.h"

extern const struct rseq_cs switch_mark __attribute__((visibility("hidden")));
extern const struct rseq_cs switch_trial_mark __attribute__((visibility("hidden")));
/* From the thread pointer; 0: the mark is not believed, or not yet. */
extern ptrdiff_t switch_offset __attribute__((visibility("hidden")));

/* Once, early. */
void switch_start(void);

/* What the calling thread did so far, as the kernel counts it. */
struct switch_counts {
    uint64_t waited;    /* times it gave up its CPU */
    uint64_t preempted; /* times that was taken from it */
};
/* false: the kernel must not be asked. A system call; signal-safe. */
bool switch_count(struct switch_counts *counts);

/* A process's first calls, until it is known whether the mark is to be believed. */
struct switch_trial {
    struct switch_counts before;
    bool is_on;
};
void switch_trial_begin(struct switch_trial *trial); /* right before the call */
/* Right after it. true: the call blocked. Only if trial->is_on. */
bool switch_trial_end(const struct switch_trial *trial);

/* Adds to the segment's counters which way is in use, if that is known yet. */
struct segment;
void switch_report(struct segment *segment);

/* The field of the area at offset that is a union in one C library and a number in the next. */
typedef uint64_t __attribute__((may_alias)) switch_word;
static inline volatile switch_word *switch_section(ptrdiff_t offset)
{
    return (volatile switch_word *)(arch_thread_pointer() + (uintptr_t)offset +
                                    offsetof(struct rseq, rseq_cs));
}

/* false: registration failed. */
static inline bool switch_is_registered(ptrdiff_t offset)
{
    return (int32_t)((struct rseq *)(arch_thread_pointer() + (uintptr_t)offset))->cpu_id >= 0;
}

static inline ptrdiff_t switch_offset_now(void)
{
    return __atomic_load_n(&switch_offset, __ATOMIC_RELAXED);
}

static inline bool switch_is_told_at(ptrdiff_t offset)
{
    return __builtin_expect(offset != 0, 1) && __builtin_expect(switch_is_registered(offset), 1);
}

/* true: in the calling thread the mark is to be believed. */
static inline bool switch_is_told(void)
{
    return switch_is_told_at(switch_offset_now());
}

/* Leaves the mark where that is told. */
static inline bool switch_watch_if_told(void)
{
    ptrdiff_t offset = switch_offset_now();
    if (!switch_is_told_at(offset))
        return false;
    *switch_section(offset) = (uintptr_t)&switch_mark;
    return true;
}

/* Only where it is told. */
static inline void switch_unwatch(void)
{
    *switch_section(switch_offset_now()) = 0;
}

/* true: since the mark was left nothing has happened; takes it back. Where it is not told, too, this reads
   what lies there and is never the mark: glibc's own at the thread pointer. */
static inline bool switch_unwatch_if_watched(void)
{
    volatile switch_word *section = switch_section(switch_offset_now());
    if (__builtin_expect(*section != (uintptr_t)&switch_mark, 0))
        return false;
    *section = 0;
    return true;
}

#endif
