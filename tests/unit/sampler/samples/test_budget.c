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

enum { SLOT = 3, RATE = 1000, WINDOW = 16 };

struct slot_private slot_private[LAYOUT_THREADS];
_Atomic bool clock_is_banned = true;
static uint64_t cpu_ns, ticks;
static uint32_t budget_ppm;
static bool is_given;

uint64_t clock_ns(clockid_t clock)
{
    assert_int_equal(clock, CLOCK_THREAD_CPUTIME_ID);
    return cpu_ns;
}

uint64_t clock_ticks_of_monotonic(void)
{
    return ticks;
}

uint64_t clock_ns_of(uint64_t span)
{
    return span / 2;
}

bool process_rate_is_given(enum profile_type profile)
{
    return is_given && profile == PROFILE_MEMORY;
}

uint32_t process_budget_ppm(void)
{
    return budget_ppm;
}

/* The rate after so many windows of samples, each of which took so long, so much CPU time and time apart. */
static uint64_t rate_after(unsigned windows, uint64_t sample_ns, uint64_t apart_ns, uint64_t real_ns)
{
    for (unsigned i = 0; i < windows * WINDOW; i++) {
        cpu_ns += apart_ns;
        ticks += 2 * real_ns;
        budget_count(SLOT, 2 * sample_ns);
    }
    return budget_rate(SLOT, PROFILE_MEMORY, RATE);
}

static int begin(void **state)
{
    (void)state;
    slot_private[SLOT] = (struct slot_private){0};
    cpu_ns = 0;
    ticks = 1;
    budget_ppm = 20000;
    is_given = false;
    return 0;
}

static void what_costs_less_than_the_budget_keeps_the_rate(void **state)
{
    (void)state;
    assert_int_equal(rate_after(100, 1990, 100000, 100000), RATE);
}

static void what_costs_more_doubles_it_up_to_64_times(void **state)
{
    (void)state;
    assert_int_equal(rate_after(2, 2010, 100000, 100000), 2 * RATE);
    assert_int_equal(rate_after(1, 2010, 100000, 100000), 4 * RATE);
    assert_int_equal(rate_after(100, 2010, 100000, 100000), 64 * RATE);
}

static void the_first_window_has_no_beginning(void **state)
{
    (void)state;
    assert_int_equal(rate_after(1, 100000, 100000, 100000), RATE);
}

static void a_quarter_of_the_budget_halves_it_again(void **state)
{
    (void)state;
    rate_after(3, 2010, 100000, 100000);
    assert_int_equal(rate_after(10, 510, 100000, 100000), 4 * RATE);
    assert_int_equal(rate_after(1, 490, 100000, 100000), 2 * RATE);
    assert_int_equal(rate_after(10, 490, 100000, 100000), RATE);
}

static void a_thread_that_sleeps_counts_as_if_it_used_a_quarter_of_a_cpu(void **state)
{
    (void)state;
    assert_int_equal(rate_after(100, 490, 1000, 100000), RATE);
    assert_int_equal(rate_after(1, 510, 1000, 100000), 2 * RATE);
}

static void a_rate_that_is_given_is_kept(void **state)
{
    (void)state;
    is_given = true;
    assert_int_equal(rate_after(100, 50000, 100000, 100000), RATE);
    assert_int_equal(budget_rate(SLOT, PROFILE_BLOCK, RATE), 64 * RATE);
}

static void a_budget_of_0_is_none(void **state)
{
    (void)state;
    budget_ppm = 0;
    assert_int_equal(rate_after(100, 50000, 100000, 100000), RATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_costs_less_than_the_budget_keeps_the_rate, begin),
        cmocka_unit_test_setup(what_costs_more_doubles_it_up_to_64_times, begin),
        cmocka_unit_test_setup(the_first_window_has_no_beginning, begin),
        cmocka_unit_test_setup(a_quarter_of_the_budget_halves_it_again, begin),
        cmocka_unit_test_setup(a_thread_that_sleeps_counts_as_if_it_used_a_quarter_of_a_cpu, begin),
        cmocka_unit_test_setup(a_rate_that_is_given_is_kept, begin),
        cmocka_unit_test_setup(a_budget_of_0_is_none, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
