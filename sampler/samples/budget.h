/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What samples of allocations and waits may cost a thread: the share of its CPU time that CPROF_MAX_OVERHEAD says. The
 * uploader holds that for a whole program, but looks once a second. This is for what begins suddenly: a start, whose
 * code was never walked before, or a thread that allocates very fast.
 *
 * A thread that spends more than that on its last 16 samples doubles the distance between them, up to 64 times. One that
 * spends less than a quarter of it halves the distance again. A thread that mostly sleeps counts as if it had used a
 * quarter of a CPU.
 *
 * Sums stay unbiased: how far off the next sample is depends on the past alone, and each sample is weighted
 * by the distance that it was drawn with. A given rate is kept (seg_rates.given).
 */
#ifndef CPROF_SAMPLER_BUDGET_H
#define CPROF_SAMPLER_BUDGET_H

#include <stdint.h>

#include "sampler/segment/settings.h"

/* The mean distance, in bytes or ns, to the calling thread's next sample of this profile. rate: what is in force for
   all threads. slot: the thread's. */
uint64_t budget_rate(uint32_t slot, enum profile_type profile, uint64_t rate);

/* The thread has taken another sample, in so many ticks. */
void budget_count(uint32_t slot, uint64_t ticks);

#endif
