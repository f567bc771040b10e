// SPDX-License-Identifier: Apache-2.0
// What cprof diff finds and what it takes for a change by mistake, by simulation of its rule: the tables of docs/diff.md.
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "analysis/diff/significance/ranks.c"
#include "analysis/diff/significance/significance.c"

enum { COMPARISONS = 4000, RUNS_MOST = 10, POINTS = 3 };

static double uniform(void)
{
    static uint64_t state = 1;

    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (double)(state >> 11) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

/* Totals of so many runs a side that differ by `scatter`: the percentage of comparisons that call it a change. */
static double totals_found(double rise, double scatter, size_t runs)
{
    struct comparison comparison = comparison_make(runs, runs, true, LEVEL_NAMED);
    int found = 0;

    for (int i = 0; i < COMPARISONS; i++) {
        struct measure side[2] = {{0}, {0}};
        double value[2][RUNS_MOST];
        struct change change;
        for (size_t run = 0; run < 2 * runs; run++) {
            double mean = run % 2 ? 1 + rise : 1;
            measure_add(&side[run % 2], value[run % 2][run / 2] = 1e6 * mean * (1 + scatter * normal()), 1);
        }
        change = change_of(&comparison, &side[0], &side[1]);
        change_by_ranks(&comparison, &change, value[0], value[1]);
        found += change.significant;
    }
    return 100.0 * found / COMPARISONS;
}

static void print_totals(void)
{
    const size_t runs[] = {1, 3, 5, 10};
    const double scatter[] = {0.005, 0.01, 0.02, 0.03};

    puts("A rise of the total by 3 % is found, and in brackets: equal programs are called changed\n\n"
         "| Scatter of equal runs | 1 run a side | 3 | 5 | 10 |\n|---|---|---|---|---|");
    for (size_t s = 0; s < sizeof scatter / sizeof scatter[0]; s++) {
        printf("| %g %% |", 100 * scatter[s]);
        for (size_t n = 0; n < sizeof runs / sizeof runs[0]; n++)
            printf(" %.0f %% (%.1f %%) |", totals_found(0.03, scatter[s], runs[n]),
                   totals_found(0, scatter[s], runs[n]));
        puts("");
    }
}

/* A function of one run a side that gains three points of the total, of so many samples. */
static bool is_found(double share, double samples)
{
    struct comparison comparison = comparison_make(1, 1, true, LEVEL_LISTED);
    struct measure part[2] = {{0}, {0}}, total[2] = {{0}, {0}};
    struct change change;

    for (int i = 0; i < 2; i++) {
        double p = share + i * POINTS / 100.0;
        measure_add(&part[i], p * samples, samples * p * (1 - p) + 1);
        measure_add(&total[i], samples, 1);
    }
    change = change_of(&comparison, &part[0], &part[1]);
    change_by_share(&comparison, &change, part, total);
    return change.significant;
}

static void print_shares(void)
{
    const double share[] = {0.1, 0.2, 0.3, 0.5};

    puts("\nA share that moves by 3 points is found with one run a side\n\n"
         "| Share of the function | CPU samples a side, at least | at 100 per second of CPU time "
         "|\n|---|---|---|");
    for (size_t s = 0; s < sizeof share / sizeof share[0]; s++) {
        double samples = 100;
        while (!is_found(share[s], samples))
            samples += 100;
        printf("| %.0f %% | %.0f | %.0f s |\n", 100 * share[s], samples, samples / 100);
    }
}

int main(void)
{
    print_totals();
    print_shares();
    return 0;
}
