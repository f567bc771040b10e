// SPDX-License-Identifier: Apache-2.0
// build: uploader/budget/budget.c uploader/budget/rates.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/budget/budget.h"

static struct budget budget;
static struct rates asked;
static int64_t now_ns;

static int begin(void **state)
{
    (void)state;
    budget = (struct budget){.limit_ppm = 20000};
    asked = (struct rates){.profiles = PROFILES_READY,
                           .cpu_period_ns = SECOND_NS / 100,
                           .memory_rate = 512 << 10,
                           .mutex_fraction = 10,
                           .block_rate_ns = SECOND_NS / 100};
    now_ns = 1;
    return 0;
}

/* A second in which the program used this much CPU time, and profiling took this of it, in ms. */
static bool second(int64_t cpu_ms, enum cost cost, int64_t ms)
{
    now_ns += SECOND_NS;
    budget.costs.cpu_ns += cpu_ms * MS_NS;
    budget.costs.ns[cost] += ms * MS_NS;
    return budget_step(&budget, &asked, now_ns);
}

static struct rates in_force(void)
{
    struct rates rates = asked;
    budget_lower(&budget, &rates, SECOND_NS / 19);
    return rates;
}

static void within_the_budget_nothing_changes(void **state)
{
    struct rates rates;

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_false(second(1000, COST_CPU, 19));
    rates = in_force();
    assert_true(rates_are_same(&rates, &asked));
    assert_false(budget_text(&budget, (char[BUDGET_TEXT]){0}));
}

static void as_many_steps_as_are_needed_are_taken_at_once_where_it_costs_most(void **state)
{
    char text[BUDGET_TEXT];

    (void)state;
    budget.costs.ns[COST_CPU] = 4 * MS_NS;
    assert_true(second(1000, COST_MEMORY, 60));
    assert_int_equal(in_force().memory_rate, 4 * 512 << 10);
    assert_int_equal(in_force().cpu_period_ns, SECOND_NS / 100);
    assert_true(budget_text(&budget, text));
    assert_string_equal(text, "memory 4 times rarer");
}

static void rates_do_not_fall_below_what_is_useful(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        for (int cost = COST_CPU; cost <= COST_WALL; cost++)
            second(1000, (enum cost)cost, 1000);
    assert_int_equal(in_force().cpu_period_ns, SECOND_NS / 10);
    assert_int_equal(in_force().memory_rate, 32 << 20);
    assert_int_equal(in_force().mutex_fraction, 1000);
    assert_int_equal(in_force().block_rate_ns, SECOND_NS);
    assert_int_equal(in_force().wall_period_ns, SECOND_NS);
    assert_false(second(1000, COST_CPU, 1000));
}

static void one_step_up_after_eight_seconds_with_room(void **state)
{
    (void)state;
    second(1000, COST_MEMORY, 100);
    assert_int_equal(in_force().memory_rate, 8 * 512 << 10);
    for (int i = 0; i < 7; i++)
        assert_false(second(1000, COST_MEMORY, 7));
    assert_true(second(1000, COST_MEMORY, 7));
    assert_int_equal(in_force().memory_rate, 4 * 512 << 10);
    for (int i = 0; i < 100; i++) /* twice 8 ms would be more than three quarters of the budget */
        assert_false(second(1000, COST_MEMORY, 8));
    for (int i = 0; i < 100; i++)
        second(1000, COST_MEMORY, 0);
    assert_int_equal(in_force().memory_rate, asked.memory_rate);
}

static void a_program_that_sleeps_counts_as_a_quarter_of_a_cpu(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_false(second(1, COST_BLOCK, 4));
    assert_true(second(1, COST_BLOCK, 6));
}

static void a_burst_of_first_looks_is_averaged(void **state)
{
    bool any = false;

    (void)state;
    assert_false(second(1, COST_WALL, 50));
    for (int i = 0; i < 20 && !any; i++)
        any = second(1, COST_WALL, 10);
    assert_true(any);
    assert_int_equal(in_force().wall_period_ns, 2 * (SECOND_NS / 19));
}

static void a_given_rate_is_kept(void **state)
{
    (void)state;
    asked.given = 1u << PROFILE_MEMORY;
    assert_false(second(1000, COST_MEMORY, 500));
    assert_int_equal(in_force().memory_rate, asked.memory_rate);
    second(1000, COST_CPU, 500);
    assert_int_not_equal(in_force().cpu_period_ns, asked.cpu_period_ns);
}

static void a_burst_of_reading_is_averaged(void **state)
{
    (void)state;
    assert_false(second(1000, COST_READING, 200));
    assert_true(budget.share < 0.02);
    for (int i = 0; i < 300; i++)
        second(1000, COST_READING, 200);
    assert_true(budget.share > 0.19);
    assert_false(budget_text(&budget, (char[BUDGET_TEXT]){0})); /* nothing else costs anything */
}

static void no_limit_takes_all_back(void **state)
{
    (void)state;
    second(1000, COST_MEMORY, 100);
    budget.limit_ppm = 0;
    assert_true(second(1000, COST_MEMORY, 100));
    assert_int_equal(in_force().memory_rate, asked.memory_rate);
    assert_false(second(1000, COST_MEMORY, 100));
}

static void changes_of_rates_are_brought_into_limits(void **state)
{
    struct rates_change change = {
        .on = 1u << PROFILE_BLOCK, .off = 1u << PROFILE_WALL, .rates = 1u << PROFILE_CPU};

    (void)state;
    asked.block_rate_ns = 0;
    change.to.cpu_period_ns = 1;
    rates_change(&asked, &change);
    assert_int_equal(asked.cpu_period_ns, RATES_CPU_PERIOD_LEAST_NS);
    assert_int_equal(asked.block_rate_ns, 10 * MS_NS);
    assert_int_equal(asked.profiles, PROFILES_READY & ~(1 << PROFILE_WALL));
    assert_int_equal(asked.given, 1u << PROFILE_CPU);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(within_the_budget_nothing_changes, begin),
        cmocka_unit_test_setup(as_many_steps_as_are_needed_are_taken_at_once_where_it_costs_most, begin),
        cmocka_unit_test_setup(rates_do_not_fall_below_what_is_useful, begin),
        cmocka_unit_test_setup(one_step_up_after_eight_seconds_with_room, begin),
        cmocka_unit_test_setup(a_program_that_sleeps_counts_as_a_quarter_of_a_cpu, begin),
        cmocka_unit_test_setup(a_burst_of_first_looks_is_averaged, begin),
        cmocka_unit_test_setup(a_given_rate_is_kept, begin),
        cmocka_unit_test_setup(a_burst_of_reading_is_averaged, begin),
        cmocka_unit_test_setup(no_limit_takes_all_back, begin),
        cmocka_unit_test_setup(changes_of_rates_are_brought_into_limits, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
