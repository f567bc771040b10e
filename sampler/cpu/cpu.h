/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU timers: one POSIX timer per thread on that thread's CPU clock, SIGPROF to the thread itself. Chosen
 * over setitimer, which is inaccurate beyond some CPUs and survives exec, where it kills the new program.
 * Signal-safe.
 */
#ifndef CPROF_SAMPLER_CPU_H
#define CPROF_SAMPLER_CPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

/* Of a thread that is about to be made, whose slot this is: draws when its timer is due first. Before
   cpu_start(); of threads that run already nothing is known. */
void cpu_prepare(const struct segment *segment, uint32_t slot);

/* At the calling thread's end: see owed.h. */
void cpu_settle(const struct segment *segment, uint32_t slot);

/* Starts the timer of the thread with this tid, whose slot is taken. 0 or negative errno (counted but for
   -EINVAL: there is no such thread any more). */
int cpu_start(struct segment *segment, uint32_t slot, int tid);
void cpu_stop(uint32_t slot);

/* The thread id of a thread that libc made and nobody has joined, without a system call; 0: it has ended. */
int cpu_thread_of(pthread_t handle);

/* Before a filter takes effect under which a signal's handler could not return: no timer of the calling
   thread is left, or of any; returns of how many threads. The second, where the filter was not installed
   after all. */
unsigned cpu_suspend(bool all);
void cpu_resume(bool all);

/* In a forked child that has no segment yet: a timer whose first signal makes it join. period 0: off. */
void cpu_start_unattached(uint32_t period_ns);
void cpu_stop_unattached(void);

/* Gives threads that the uploader found without a slot one, and frees those of threads that are gone, as it
   has asked for. By a CPU sample or a wait of any thread. */
void cpu_serve_adoptions(struct segment *segment);

#endif
