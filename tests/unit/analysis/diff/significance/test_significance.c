/* SPDX-License-Identifier: Apache-2.0 */
/* The rule is tried on made-up programs of which the truth is known: how often it takes chance for a change, and how
   often it misses one. The numbers come from a generator with a fixed start, so each run of the test is the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/diff/significance/ranks.h"
#include "analysis/diff/significance/significance.h"

#include <cmocka.h>

enum { LOOKS = 1000, COMPARISONS = 2000, RUNS = 5, FUNCTIONS = 100 };

static uint64_t state = 1;

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (double)(state >> 11) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

/* How many of a run's looks fall on a function with this share; with its variance by the rule. */
static void look(struct measure *measure, double share)
{
    double seen = 0;

    for (int i = 0; i < LOOKS; i++)
        seen += uniform() < share;
    measure_add(measure, seen, seen * (1 - seen / LOOKS) + 1);
}

static void test_probabilities_are_those_of_the_tables(void **unused)
{
    (void)unused;
    assert_true(fabs(normal_beyond(1.959964) - 0.05) < 1e-6);
    assert_true(fabs(student_beyond(12.7062, 1) - 0.05) < 1e-5);
    assert_true(fabs(student_beyond(2.77645, 4) - 0.05) < 1e-5);
    assert_true(fabs(student_beyond(3.35539, 8) - 0.01) < 1e-5);
    assert_true(fabs(student_beyond(4.29681, 9) - 0.002) < 1e-5);
    assert_true(fabs(student_quantile(0.05, 7) - 2.36462) < 1e-4);
    assert_true(level_of_list(0) == LEVEL_LISTED);
    assert_true(level_of_list(1000) > 4 && level_of_list(1000) < 4.1);
}

/* Tables of the rank test, and of the interval that it gives. */
static void test_ranks_are_those_of_the_tables(void **unused)
{
    const double low[] = {1, 2, 3, 4, 5}, high[] = {6, 7, 8, 9, 100}, mixed[] = {2.5, 6, 7, 8, 9};

    (void)unused;
    assert_true(fabs(ranks_beyond(low, 5, high, 5) - 2.0 / 252) < 1e-9);
    assert_true(fabs(ranks_beyond(high, 5, low, 5) - 2.0 / 252) < 1e-9);
    assert_true(ranks_beyond(low, 5, low, 5) == 1);
    assert_true(fabs(ranks_beyond(low, 5, mixed, 5) - 14.0 / 252) < 1e-9);
    assert_true(ranks_least_difference(low, 5, high, 5, 0.01) == 1);
    assert_true(ranks_least_difference(high, 5, low, 5, 0.01) == -1);
    assert_true(ranks_least_difference(low, 5, mixed, 5, 0.01) == 0);
    assert_true(ranks_least_difference(low, 2, high, 2, 0.01) == 0);
}

/* One disturbed run hides the rise from Student's test, and not from the order of the runs. */
static void test_a_disturbed_run_hides_nothing(void **unused)
{
    const double a[] = {100, 101, 102, 103, 104}, b[] = {110, 111, 112, 113, 190};
    struct comparison comparison = comparison_make(5, 5, true, LEVEL_NAMED);
    struct measure one = {0}, other = {0};
    struct change change;

    (void)unused;
    for (int i = 0; i < 5; i++) {
        measure_add(&one, a[i], 0.1);
        measure_add(&other, b[i], 0.1);
    }
    change = change_of(&comparison, &one, &other);
    assert_false(change.significant);
    change_by_ranks(&comparison, &change, a, b);
    assert_true(change.significant);
    assert_int_equal(change.basis, BASIS_RANKS);
    assert_true(change.delta - change.error > 5.9);
    change = change_of(&comparison, &one, &one);
    change_by_ranks(&comparison, &change, a, a);
    assert_false(change.significant);
}

/* In percent. */
static double share_found(double a, double b)
{
    struct comparison comparison = comparison_make(1, 1, false, LEVEL_NAMED);
    int found = 0;

    for (int i = 0; i < COMPARISONS; i++) {
        struct measure one = {0}, other = {0};
        look(&one, a);
        look(&other, b);
        found += change_of(&comparison, &one, &other).significant;
    }
    return 100.0 * found / COMPARISONS;
}

static void test_a_share_that_is_the_same_is_seldom_a_change(void **unused)
{
    (void)unused;
    assert_true(share_found(0.3, 0.3) < 1.5);
    assert_true(share_found(0.9, 0.9) < 1.5);
    assert_true(share_found(0.01, 0.01) < 1.5);
    assert_true(share_found(0.001, 0.001) < 0.5);
}

static void test_a_share_that_differs_is_found(void **unused)
{
    (void)unused;
    assert_true(share_found(0.3, 0.4) > 95);
    assert_true(share_found(0.01, 0.05) > 95);
    assert_true(share_found(0, 0.02) > 95);
}

/* Totals of runs that differ by `scatter`. In percent. */
static double totals_found(double rise, double scatter)
{
    struct comparison comparison = comparison_make(RUNS, RUNS, true, LEVEL_NAMED);
    int found = 0;

    for (int i = 0; i < COMPARISONS; i++) {
        struct measure side[2] = {{0}, {0}};
        double value[2][RUNS];
        struct change change;
        for (int run = 0; run < 2 * RUNS; run++)
            measure_add(&side[run % 2],
                        value[run % 2][run / 2] = (run % 2 ? 1 + rise : 1) * (1 + scatter * normal()) * LOOKS,
                        1);
        change = change_of(&comparison, &side[0], &side[1]);
        change_by_ranks(&comparison, &change, value[0], value[1]);
        found += change.significant;
    }
    return 100.0 * found / COMPARISONS;
}

static void test_runs_tell_three_percent_from_their_scatter(void **unused)
{
    (void)unused;
    assert_true(totals_found(0, 0.01) < 2.5);
    assert_true(totals_found(0, 0.05) < 2.5);
    assert_true(totals_found(0.03, 0.01) > 80);
    assert_true(totals_found(0.03, 0.005) > 99);
    assert_true(totals_found(0.03, 0.05) < 20); /* it cannot be told, and is not claimed */
}

static void test_one_run_a_side_is_taken_to_scatter(void **unused)
{
    struct comparison comparison = comparison_make(1, 1, true, LEVEL_NAMED);
    struct measure one = {0}, same = {0}, more = {0};
    struct change change;

    (void)unused;
    measure_add(&one, 100000, 1);
    measure_add(&same, 103000, 1);
    measure_add(&more, 110000, 1);
    change = change_of(&comparison, &one, &same);
    assert_false(change.significant);
    assert_int_equal(change.basis, BASIS_ONE_RUN);
    assert_true(change_of(&comparison, &one, &more).significant);
    comparison = comparison_make(1, 1, false, LEVEL_NAMED);
    assert_true(change_of(&comparison, &one, &same).significant);
}

/* A function of one run a side, which is judged by its value or by its share; looks: of all functions. */
static struct change part_of_totals(double a, double total_a, double b, double total_b)
{
    struct comparison comparison = comparison_make(1, 1, true, LEVEL_LISTED);
    struct measure part[2] = {{0}, {0}}, total[2] = {{0}, {0}};
    struct change change;

    measure_add(&part[0], a, a * (1 - a / total_a) + 1);
    measure_add(&part[1], b, b * (1 - b / total_b) + 1);
    measure_add(&total[0], total_a, 1);
    measure_add(&total[1], total_b, 1);
    change = change_of(&comparison, &part[0], &part[1]);
    change_by_share(&comparison, &change, part, total);
    return change;
}

static void test_three_points_of_the_total_are_found_with_one_run_a_side(void **unused)
{
    (void)unused;
    assert_int_equal(part_of_totals(15000, 30000, 15900, 30000).basis, BASIS_SHARE);
    assert_true(part_of_totals(15000, 30000, 15900, 30000).significant);
    assert_true(part_of_totals(2000, 10000, 2300, 10000).significant);
    assert_true(part_of_totals(16000, 20000, 16600, 20000).significant);
    /* Few samples, and a share that moved less. */
    assert_false(part_of_totals(500, 1000, 530, 1000).significant);
    assert_false(part_of_totals(50000, 100000, 52000, 100000).significant);
    /* Everything takes longer; one function does and all others are faster; the share alone moved. */
    assert_false(part_of_totals(15000, 30000, 15900, 31800).significant);
    assert_false(part_of_totals(15000, 30000, 15000, 28200).significant);
    assert_false(part_of_totals(15000, 30000, 14700, 27000).significant);
}

/* The machine is faster or slower by 2 % in each run, and each of ten functions by 1 % apart from that. */
static void test_a_list_of_shares_seldom_shows_anything(void **unused)
{
    enum { PARTS = 10, LISTS = 1000, EACH = 2000 };
    int shown = 0;

    (void)unused;
    for (int i = 0; i < LISTS; i++) {
        double value[2][PARTS], total[2] = {0, 0};
        int found = 0;
        for (int run = 0; run < 2; run++) {
            double speed = 1 + 0.02 * normal();
            for (int part = 0; part < PARTS; part++) {
                double mean = EACH * speed * (1 + 0.01 * normal());
                total[run] += value[run][part] = mean + sqrt(mean) * normal();
            }
        }
        for (int part = 0; part < PARTS; part++)
            found += part_of_totals(value[0][part], total[0], value[1][part], total[1]).significant;
        shown += found > 0;
    }
    assert_true(20 * shown < LISTS);
}

static void test_lists_of_the_same_program_seldom_show_anything(void **unused)
{
    struct comparison comparison = comparison_make(1, 1, false, level_of_list(FUNCTIONS));
    int shown = 0, lists = 400;

    (void)unused;
    for (int i = 0; i < lists; i++) {
        int found = 0;
        for (int function = 0; function < FUNCTIONS; function++) {
            struct measure one = {0}, other = {0};
            look(&one, 0.03);
            look(&other, 0.03);
            found += change_of(&comparison, &one, &other).significant;
        }
        shown += found > 0;
    }
    assert_true(20 * shown < lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probabilities_are_those_of_the_tables),
        cmocka_unit_test(test_ranks_are_those_of_the_tables),
        cmocka_unit_test(test_a_disturbed_run_hides_nothing),
        cmocka_unit_test(test_a_share_that_is_the_same_is_seldom_a_change),
        cmocka_unit_test(test_a_share_that_differs_is_found),
        cmocka_unit_test(test_runs_tell_three_percent_from_their_scatter),
        cmocka_unit_test(test_one_run_a_side_is_taken_to_scatter),
        cmocka_unit_test(test_three_points_of_the_total_are_found_with_one_run_a_side),
        cmocka_unit_test(test_a_list_of_shares_seldom_shows_anything),
        cmocka_unit_test(test_lists_of_the_same_program_seldom_show_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
