/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU timers: one POSIX timer for each thread, on that thread's CPU clock. It sends SIGPROF to the thread
 * itself. setitimer() has one timer for the process. That one is inaccurate beyond some CPUs of load, and it
 * survives exec, where its signal kills the new program. Signal-safe.
 */
#ifndef CPROF_SAMPLER_CPU_TIMER_H
#define CPROF_SAMPLER_CPU_TIMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

/* si_value of our timers: the upper half says ours, the lower half is the slot (0: in a child that has not
   joined). */
#define CPU_TIMER_COOKIE (UINT64_C(0x63707266) << 32)

/* CPU profiles are on. */
static inline bool cpu_is_wanted(const struct segment *segment)
{
    return atomic_load_explicit(&segment->control.profiles, memory_order_relaxed) & 1u << PROFILE_CPU &&
           atomic_load_explicit(&segment->control.cpu_period_ns, memory_order_relaxed);
}

/* For a thread that is about to be created, whose slot this is: draws when its timer is due first. Before
   cpu_timer_start(). Not called for threads that run already, of whose past nothing is known. */
void cpu_timer_prepare(const struct segment *segment, uint32_t slot);

/* Starts the timer of the thread with this tid, whose slot is taken. 0 or negative errno (counted but for
   -EINVAL: there is no such thread any more). */
int cpu_timer_start(struct segment *segment, uint32_t slot, int tid);
void cpu_timer_stop(uint32_t slot);

/* At the calling thread's end: notes the periods that became due after the kernel's last tick. See
   missed_ticks.h. */
void cpu_timer_settle(const struct segment *segment, uint32_t slot);

/* With a signal of the calling thread's timer, and when it has waited: takes over a period that the uploader has
   changed. */
void cpu_timer_follow_period(struct segment *segment, uint32_t slot);

/* The calling thread gets no new signal of ours within its next 200 us of CPU time. One that is pending
   stays. */
void cpu_timer_put_off(void);

/* cpu_timer_suspend(): before a filter takes effect under which no signal handler could return. Deletes the
   timer of the calling thread, or of all, and returns of how many threads. cpu_timer_resume(): the filter
   was not installed after all. */
unsigned cpu_timer_suspend(bool all);
void cpu_timer_resume(bool all);

/* In a forked child that has no segment yet: a timer whose first signal makes it join. */
void cpu_timer_start_unattached(void);
void cpu_timer_stop_unattached(void);

#endif
