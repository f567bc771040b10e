/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What samples of allocations and waits may cost. A thread that takes more than one in 2 ms of its CPU time
 * doubles the distance between them, as often as needed, up to 8 times. A thread that takes less than a
 * quarter of that halves it again. The first 2,048 samples of a thread are not limited: what lives for a
 * moment has all of its samples, and what lives for long does not notice them.
 *
 * Sums stay unbiased: how far off the next sample is depends on the past alone, and each sample is weighted
 * by the distance that it was drawn with. A rate that the user has set is kept.
 */
#ifndef CPROF_SAMPLER_BUDGET_H
#define CPROF_SAMPLER_BUDGET_H

#include <stdint.h>

#include "sampler/segment/settings.h"

/* The mean distance, in bytes or ns, to the calling thread's next sample of this profile. rate: what the
   settings say. slot: the thread's. */
uint64_t budget_rate(uint32_t slot, enum profile_type profile, uint64_t rate);

/* The thread has taken another sample. */
void budget_count(uint32_t slot);

#endif
