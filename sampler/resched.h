/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the thread was switched away between two points, without a system call and without a clock: the
 * kernel clears the rseq area's critical section when it resumes a thread that is outside of it after a
 * switch (or a signal). One that the thread is never in so serves as a mark. A call that returns with the
 * mark still standing did not block.
 *
 * The area is glibc's, and a program may use it as well (tcmalloc does): what it stores there overwrites the
 * mark, which then says "perhaps".
 */
#ifndef CPROF_SAMPLER_RESCHED_H
#define CPROF_SAMPLER_RESCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/rseq.h>

#include "arch.h"

extern const struct rseq_cs resched_mark __attribute__((visibility("hidden")));
extern ptrdiff_t resched_offset __attribute__((visibility("hidden"))); /* from the thread pointer; 0: none */

/* Once, early. */
void resched_start(void);

static inline struct rseq *resched_area(void)
{
    return (struct rseq *)(arch_thread_pointer() + (uintptr_t)resched_offset);
}

/* Its field that is a union in one C library and a number in the next. */
typedef uint64_t __attribute__((may_alias)) resched_word;
static inline volatile resched_word *resched_section(void)
{
    return (volatile resched_word *)((uintptr_t)resched_area() + offsetof(struct rseq, rseq_cs));
}

/* false: the kernel does not tell. */
static inline bool resched_is_told(void)
{
    return resched_offset != 0;
}

/* Of this thread alone, registration failed. Only where it is told. */
static inline bool resched_is_broken(void)
{
    return (int32_t)resched_area()->cpu_id < 0;
}

static inline void resched_watch(void)
{
    *resched_section() = (uintptr_t)&resched_mark;
}

static inline void resched_unwatch(void)
{
    *resched_section() = 0;
}

/* Since resched_watch(), nothing has happened. Where it is not told, too, this reads what lies there and is
   never the mark: glibc's own at the thread pointer. */
static inline bool resched_still_watched(void)
{
    return *resched_section() == (uintptr_t)&resched_mark;
}

#endif
