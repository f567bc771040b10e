/* SPDX-License-Identifier: Apache-2.0 */
/* The time stamp counter in nanoseconds. Its rate is found by comparison with CLOCK_MONOTONIC since
   clock_start(), and found anew while the process is young. Signal-safe, any thread. */
#ifndef CPROF_SAMPLER_CLOCK_H
#define CPROF_SAMPLER_CLOCK_H

#include <stdint.h>

/* Once, as early as possible. Kept across fork(). */
void clock_start(void);

/* The length of a span of ticks. 0 before clock_start(). */
uint64_t clock_ns(uint64_t ticks);

#endif
