/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time, one in each period, of which contention.h says what they are for. Lock-free, signal-safe, any thread. */
#ifndef CPROF_SAMPLER_POINTS_H
#define CPROF_SAMPLER_POINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

/* The ticks that the points in this time stand for: each for its period. */
uint64_t points_between(uint64_t from, uint64_t to);

/* Takes over a fraction, or a number of threads, that has changed. Periods are longer or shorter soon after that. */
void points_follow_fraction(const struct segment *segment);

/* There are no points from now on: mutex profiles are off. */
bool points_are_off(void);

/* In a forked child. */
void points_forget(void);

#endif
