/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times, in a process that may be forbidden to read the time stamp counter (prctl PR_SET_TSC, strict
 * seccomp). Reading it is a SIGSEGV then, in the vDSO's clock_gettime(), too. Threads and children inherit
 * the ban, so one banned thread stands for its whole process. If clock_gettime() alone is forbidden, times
 * are computed from the counter. If both are, all times are 0. Signal-safe, any thread.
 */
#ifndef CPROF_SAMPLER_CLOCK_H
#define CPROF_SAMPLER_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "arch.h"

/* The vDSO's clock_gettime(), or NULL: then times cost a system call. libc's function is not used, since
   another preloaded library may replace it and tell another time. Before clock_start(). */
typedef int clock_function(clockid_t clock, struct timespec *now);
void clock_use(clock_function *function);

/* Asks the kernel whether the program that executed this one has left the ban. Once, before all else of
   this header, as early as possible. Kept across fork(). */
void clock_start(void);

/* In a child of fork(), whose clocks may be of another time namespace: a rate that is not yet known well is
   measured anew. */
void clock_fork_child(void);

/* Right before clock_gettime() may be forbidden: notes what later times are computed from. */
void clock_keep(void);

/* From here on the counter is not read any more. Called by hooks before the ban. */
void clock_stop_ticks(void);

/* The time stamp counter. If it is banned, CLOCK_MONOTONIC at the counter's rate, continued from the ban.
   Acquire: pairs with the release in clock_stop_ticks(). */
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

/* The length of a span of ticks. The rate is measured against CLOCK_MONOTONIC since clock_start(), and
   again while the process is young. */
uint64_t clock_ns_of(uint64_t ticks);

uint64_t clock_ns(clockid_t clock);

#endif
