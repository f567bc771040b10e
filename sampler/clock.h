/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times, in a process that may be forbidden to read the time stamp counter (prctl PR_SET_TSC, strict
 * seccomp): to read it is a SIGSEGV then, in the vDSO's clock_gettime(), too. A thread hands the ban on to
 * threads and children that it makes, so one that is banned stands for all of its process. Signal-safe.
 */
#ifndef CPROF_SAMPLER_CLOCK_H
#define CPROF_SAMPLER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Asks the kernel whether what executed us has left us banned. Before all else of this header. */
void clock_start(void);

/* From here on the counter is not read any more. Called by hooks before the ban. */
void clock_stop_ticks(void);

/* Time stamp counter, or 0 where it may not be read. */
uint64_t clock_ticks(void);

uint64_t clock_ns(clockid_t clock);

#endif
