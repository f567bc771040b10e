/* SPDX-License-Identifier: Apache-2.0 */
/* Gaps and weights: against libm, and unbiased over many seeds (checked against the standard error). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sampler/layout.h"
#include "sampler/weights.h"

// build: -lm

static void probability_equals_libm(void **state)
{
    (void)state;
    for (double x = 1e-9; x < 60; x *= 1.01) {
        double expected = -expm1(-x);
        assert_true(fabs(sampling_probability(x) - expected) <= 1e-12 * expected);
    }
}

static void gaps_have_the_mean_and_deviation_of_their_rate(void **state)
{
    enum { N = 1000000 };
    const double mean = 524288;
    double sum = 0, squares = 0;
    (void)state;
    weights_seed(1);
    for (int i = 0; i < N; i++) {
        double gap = (double)random_gap((uint64_t)mean);
        sum += gap;
        squares += gap * gap;
    }
    /* An exponential distribution's deviation is its mean; 5 standard errors. */
    assert_true(fabs(sum / N - mean) < 5 * mean / sqrt(N));
    assert_true(fabs(sqrt(squares / N - (sum / N) * (sum / N)) - mean) < 5 * mean * sqrt(2.0 / N));
}

/* One program's allocations, sampled as alloc.c does: the estimate of its bytes. */
static double estimate(const uint32_t *sizes, int kinds, int blocks, uint64_t mean)
{
    uint64_t gap = random_gap(mean);
    double bytes = 0;
    for (int i = 0; i < blocks; i++) {
        uint64_t size = sizes[i % kinds];
        if (size < gap) {
            gap -= size;
            continue;
        }
        bytes += (double)sampling_weight(size, mean) / (1 << WEIGHT_SHIFT) * (double)size;
        gap = random_gap(mean);
    }
    return bytes;
}

static void sums_of_weights_are_unbiased(void **state)
{
    static const uint32_t sizes[] = {16, 48, 200, 4096, 70000, 300000, 1 << 20, 24};
    enum { KINDS = sizeof sizes / sizeof *sizes, BLOCKS = 8000, SEEDS = 2000 };
    double truth = 0, sum = 0, squares = 0, mean, error;
    (void)state;
    for (int i = 0; i < BLOCKS; i++)
        truth += sizes[i % KINDS];
    for (int seed = 0; seed < SEEDS; seed++) {
        double e;
        weights_seed((uint64_t)seed);
        e = estimate(sizes, KINDS, BLOCKS, 512 * 1024);
        sum += e;
        squares += e * e;
    }
    mean = sum / SEEDS;
    error = sqrt((squares / SEEDS - mean * mean) / SEEDS);
    assert_true(error < 0.01 * truth); /* else the next line says nothing */
    assert_true(fabs(mean - truth) < 4 * error);
}

static void weight_of_a_large_block_is_one(void **state)
{
    (void)state;
    assert_int_equal(sampling_weight(1 << 30, 512 * 1024), 1 << WEIGHT_SHIFT);
    assert_int_equal(sampling_weight(0, 512 * 1024), 1 << WEIGHT_SHIFT);
    assert_int_equal(sampling_weight(100, 0), 1 << WEIGHT_SHIFT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probability_equals_libm),
        cmocka_unit_test(gaps_have_the_mean_and_deviation_of_their_rate),
        cmocka_unit_test(sums_of_weights_are_unbiased),
        cmocka_unit_test(weight_of_a_large_block_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
