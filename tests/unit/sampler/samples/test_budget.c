// SPDX-License-Identifier: Apache-2.0
// build: sampler/samples/budget.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sampler/base/clock.h"
#include "sampler/process/process.h"
#include "sampler/samples/budget.h"
#include "sampler/threads/thread_slots.h"

enum { SLOT = 3, RATE = 1000, FIRST_SAMPLES = 2048 };

struct slot_private slot_private[LAYOUT_THREADS];
static uint64_t cpu_ns;
static bool is_given;

uint64_t clock_ns(clockid_t clock)
{
    assert_int_equal(clock, CLOCK_THREAD_CPUTIME_ID);
    return cpu_ns;
}

bool process_rate_is_given(enum profile_type profile)
{
    return is_given && profile == PROFILE_MEMORY;
}

/* The rate after so many samples, each after so much CPU time. */
static uint64_t rate_after(unsigned samples, uint64_t ns)
{
    for (; samples > 0; samples--) {
        cpu_ns += ns;
        budget_count(SLOT);
    }
    return budget_rate(SLOT, PROFILE_MEMORY, RATE);
}

static int begin(void **state)
{
    (void)state;
    slot_private[SLOT] = (struct slot_private){0};
    cpu_ns = 0;
    is_given = false;
    return 0;
}

static void few_samples_keep_the_rate(void **state)
{
    (void)state;
    assert_int_equal(rate_after(10000, 2000001), RATE);
}

static void many_samples_double_it_up_to_8_times(void **state)
{
    (void)state;
    assert_int_equal(rate_after(FIRST_SAMPLES + 63, 1000), RATE);
    assert_int_equal(rate_after(1, 1000), 2 * RATE);
    assert_int_equal(rate_after(32, 1000), 4 * RATE);
    assert_int_equal(rate_after(1000, 1000), 8 * RATE);
}

static void few_samples_halve_it_again(void **state)
{
    (void)state;
    rate_after(FIRST_SAMPLES + 1000, 1000);
    assert_int_equal(rate_after(100, 4000000), 8 * RATE);
    assert_int_equal(rate_after(1000, 9000000), RATE);
}

static void a_rate_that_is_given_is_kept(void **state)
{
    (void)state;
    is_given = true;
    assert_int_equal(rate_after(FIRST_SAMPLES + 1000, 1000), RATE);
    assert_int_equal(budget_rate(SLOT, PROFILE_BLOCK, RATE), 8 * RATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(few_samples_keep_the_rate, begin),
        cmocka_unit_test_setup(many_samples_double_it_up_to_8_times, begin),
        cmocka_unit_test_setup(few_samples_halve_it_again, begin),
        cmocka_unit_test_setup(a_rate_that_is_given_is_kept, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
