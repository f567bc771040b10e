/* SPDX-License-Identifier: Apache-2.0 */
/* Random gaps and the weights that undo them. No libm, no state but one counter: signal-safe, any thread. */
#ifndef CPROF_SAMPLER_WEIGHTS_H
#define CPROF_SAMPLER_WEIGHTS_H

#include <stdint.h>

/* Begins another stream: at start, and in a forked child. */
void weights_seed(uint64_t seed);

/* 64 random bits (splitmix64 of a shared counter). */
uint64_t random_bits(void);

/* An exponentially distributed number of bytes with this mean (> 0), at least 1. It is the distance between
   two points of a Poisson process over bytes, independent of the distances before. */
uint64_t random_gap(uint64_t mean);

/* 1 - exp(-x) for x >= 0: the probability that a block of x means was sampled. Relative error under 1e-12. */
double sampling_probability(double x);

/* What one sampled block of this size stands for, in blocks * 2^WEIGHT_SHIFT: 1 / (1 - exp(-size / mean)). */
uint64_t sampling_weight(uint64_t size, uint64_t mean);

/*
 * Points on a line, one at a random place of each stretch of `length`. A span has as many on average as of a
 * Poisson process. But how many lie on a long span is known to within one. Zero at first.
 */
struct strata {
    uint64_t length; /* of the present stretch; 0: none was begun */
    uint64_t left;   /* until the next point */
    uint64_t rest;   /* of the stretch, after it */
};

/* Goes on by span, and returns how long the stretches are, in all, whose points lay there. length: of those
   that begin from here on. */
uint64_t strata_pass(struct strata *strata, uint64_t span, uint64_t length);

#endif
