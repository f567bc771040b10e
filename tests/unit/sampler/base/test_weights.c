/* SPDX-License-Identifier: Apache-2.0 */
/* Gaps and weights: against libm, and unbiased over many seeds (checked against the standard error). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sampler/base/weights.h"
#include "sampler/segment/layout.h"

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

static void a_stretch_has_one_point(void **state)
{
    enum { LENGTH = 1000, SPANS = 100000 };
    struct strata strata = {0, 0, 0};
    uint64_t passed = 0, points = 0;
    (void)state;
    weights_seed(7);
    for (int i = 0; i < SPANS; i++) {
        uint64_t span = 1 + random_bits() % (LENGTH - 1);
        passed += span;
        points += strata_pass(&strata, span, LENGTH) / LENGTH;
        assert_in_range(points, passed / LENGTH, passed / LENGTH + 1);
    }
}

/* One thread's waits, sampled as wait.c does: waits of 1, 2 and 7 tenths of the rate, always in this order. Half
   way on, stretches become longer. */
enum { KINDS_OF_WAITS = 3, WAITS_EACH = 200, RATE = 10000 };
static const uint64_t wait_length[KINDS_OF_WAITS] = {RATE / 10, RATE / 5, RATE * 7 / 10};

static void sample_waits(double delay[KINDS_OF_WAITS], double waits[KINDS_OF_WAITS], uint64_t rate)
{
    struct strata strata = {0, 0, 0};
    for (int i = 0; i < KINDS_OF_WAITS * WAITS_EACH; i++) {
        uint64_t length = wait_length[i % KINDS_OF_WAITS];
        double passed =
            (double)strata_pass(&strata, length, i < KINDS_OF_WAITS * WAITS_EACH / 2 ? rate : 4 * rate);
        delay[i % KINDS_OF_WAITS] += passed;
        waits[i % KINDS_OF_WAITS] += passed / (double)length;
    }
}

/* Although the order has a period that divides the rate. */
static void each_kind_of_wait_gets_its_part(void **state)
{
    enum { SEEDS = 2000 };
    double sum[KINDS_OF_WAITS] = {0}, squares[KINDS_OF_WAITS] = {0}, counts[KINDS_OF_WAITS] = {0};
    (void)state;
    for (int seed = 0; seed < SEEDS; seed++) {
        double delay[KINDS_OF_WAITS] = {0}, waits[KINDS_OF_WAITS] = {0};
        weights_seed((uint64_t)seed);
        sample_waits(delay, waits, RATE);
        for (int k = 0; k < KINDS_OF_WAITS; k++) {
            sum[k] += delay[k];
            squares[k] += delay[k] * delay[k];
            counts[k] += waits[k];
        }
    }
    for (int k = 0; k < KINDS_OF_WAITS; k++) {
        double mean = sum[k] / SEEDS, truth = (double)wait_length[k] * WAITS_EACH;
        double error = sqrt((squares[k] / SEEDS - mean * mean) / SEEDS);
        assert_true(error < 0.01 * truth); /* else the next lines say nothing */
        assert_true(fabs(mean - truth) < 4 * error);
        assert_true(fabs(counts[k] / SEEDS - WAITS_EACH) < 4 * error / (double)wait_length[k]);
    }
}

/* The stretch that the thread is in ends first. */
static void another_length_counts_from_the_next_stretch_on(void **state)
{
    struct strata strata = {0, 0, 0};
    uint64_t passed;
    (void)state;
    weights_seed(3);
    assert_int_equal(strata_pass(&strata, 1, 1000), 0);
    passed = strata_pass(&strata, 11000, 10);
    assert_int_equal(passed % 10, 0);
    assert_in_range(passed, 10990, 11010);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probability_equals_libm),
        cmocka_unit_test(gaps_have_the_mean_and_deviation_of_their_rate),
        cmocka_unit_test(sums_of_weights_are_unbiased),
        cmocka_unit_test(weight_of_a_large_block_is_one),
        cmocka_unit_test(a_stretch_has_one_point),
        cmocka_unit_test(each_kind_of_wait_gets_its_part),
        cmocka_unit_test(another_length_counts_from_the_next_stretch_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
