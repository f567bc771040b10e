/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times, in a process that may be forbidden to read the time stamp counter (prctl PR_SET_TSC, strict
 * seccomp): to read it is a SIGSEGV then, in the vDSO's clock_gettime(), too. A thread hands the ban on to
 * threads and children that it makes, so one that is banned stands for all of its process. Where the counter
 * is banned and clock_gettime() forbidden (seccomp.h), all times are 0; where only the latter is, which libc
 * may make by a system call, they are computed from the counter. Signal-safe, any thread.
 */
#ifndef CPROF_SAMPLER_CLOCK_H
#define CPROF_SAMPLER_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "arch.h"

/* The vDSO's clock_gettime(), or NULL: without it the kernel is asked by a call. libc's is not used, since a
   library that is preloaded beside us may stand in its place and tell another time. Before clock_start(). */
typedef int clock_function(clockid_t clock, struct timespec *now);
void clock_use(clock_function *function);

/* Asks the kernel whether what executed us has left us banned. Before all else of this header, once, as early
   as possible. Kept across fork(). */
void clock_start(void);

/* In a child of fork(), which a time namespace may have given other clocks: what was known too little of the
   counter's rate is found anew. */
void clock_fork_child(void);

/* From here on clock_gettime() may be forbidden: notes what times are computed from then. Before it is. */
void clock_keep(void);

/* From here on the counter is not read any more. Called by hooks before the ban. */
void clock_stop_ticks(void);

/* Time stamp counter; where it may not be read, CLOCK_MONOTONIC at the counter's rate, going on from where
   that was. Acquire: pairs with the release in clock_stop_ticks(). */
extern _Atomic bool clock_is_banned __attribute__((visibility("hidden")));
uint64_t clock_ticks_of_monotonic(void);
static inline uint64_t clock_ticks(void)
{
    if (__builtin_expect(atomic_load_explicit(&clock_is_banned, memory_order_acquire), 0))
        return clock_ticks_of_monotonic();
    return arch_ticks();
}

/* The counter could never be read, so its rate is not known: ticks are ns of CLOCK_MONOTONIC. */
bool clock_ticks_are_ns(void);

/* The length of a span of ticks. The rate is found by comparison with CLOCK_MONOTONIC since clock_start(),
   and found anew while the process is young. */
uint64_t clock_ns_of(uint64_t ticks);

uint64_t clock_ns(clockid_t clock);

#endif
