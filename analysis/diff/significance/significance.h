/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a difference of two values is a change, and when it may be chance. docs/diff.md says the same for users, and the
 * page's diff follows the same rule. Pure, any thread.
 *
 * 1. The sampling error of one value. A value x is the sum of samples. Let sample i stand for k_i looks with the value v_i
 *    in all, so that one look stands for u_i = v_i / k_i.
 *    - Times (cpu, wall, off_cpu). Looks fall by chance on a function or not. Their number is Poisson distributed, with
 *      variance k. So V(x) = sum u_i^2 k_i = sum v_i^2 / k_i. The total T is known without sampling, because CPU time is
 *      counted by the kernel. Only the share p = x / T is sampled, which is binomial: V(x) (1 - p). So the total itself
 *      has no sampling error.
 *    - Bytes and blocks of memory. A block of s bytes is sampled with the probability q = 1 - exp(-s / period), and then
 *      counts 1 / q times (the Horvitz-Thompson estimator). For n blocks of s bytes, V(n) = n (1 - q) / q, and
 *      V(bytes) = s^2 V(n). For small blocks that is bytes x period. Large blocks are all seen, and have no error.
 *      s is the mean of the sample: bytes / blocks.
 *    - Waits (mutex, block). Waits are events that come by chance, and their lengths are about exponentially
 *      distributed: V(delay) = sum 2 v_i^2 / k_i with k_i contentions; V(contentions) = k.
 *    - Other counts: V = k. Threads are counted one by one, and have no error.
 *    To each V one look's u^2 is added. Without it, a function that was never seen would have no error at all.
 * 2. Runs of a side are equally good measurements of one thing. The value is their mean, with the error
 *    sqrt(V_1 + ... + V_n) / n by sampling.
 * 3. The scatter between runs holds everything that sampling does not know: other neighbours on the machine, another clock
 *    rate, another layout in memory. With s^2 the pooled variance of the runs of both sides, its error is
 *    s sqrt(1/n_A + 1/n_B) with n_A + n_B - 2 degrees of freedom (Student's t, two samples).
 *    If there is one run a side, nobody knows the scatter. Then ONE_RUN_SCATTER of each value is taken for it.
 *    A function of one run a side is also a change if it is one in both cases: the change of the total is real (then the
 *    function's value differs by more than sampling), or the machine was faster or slower by that much (then its share p of
 *    the total differs by more than sampling and than the scatter of shares). The scatter of a share is that of a value
 *    against all others: ONE_RUN_SCATTER of x (1 - p).
 * 4. The error of the difference is the larger one of both: the sampling errors of both sides, and the scatter, which holds
 *    them if it was seen. The scatter of one run a side was not, so its square and that of sampling are added. A difference is significant if it is larger than `level` errors, where the level of scatter is widened to Student's
 *    quantile of the same probability.
 *    A value that was asked for by name is also significant if the order of the runs says so at the same probability: the
 *    rank test of Wilcoxon, Mann and Whitney. A busy machine makes some runs far slower and none faster, which Student's
 *    test takes for scatter of all. Two chances of 0.009 to be wrong are still less than 1 in 20.
 * 5. The level. LEVEL_NAMED for one value that was asked for by name, such as the total. Of functions in a list many are
 *    compared at once. So their level is that at which fewer than 1 of 20 comparisons of equal programs shows any (Sidak
 *    and Bonferroni: probability 0.05 / number of functions), and LEVEL_LISTED at least.
 */
#ifndef CPROF_ANALYSIS_SIGNIFICANCE_H
#define CPROF_ANALYSIS_SIGNIFICANCE_H

#include <stdbool.h>
#include <stddef.h>

/* In standard errors. */
#define LEVEL_NAMED  2.6
#define LEVEL_LISTED 3.0

/* Of a value, per run. Measured on a virtual machine with two processors: equal runs of a program that computes for a second
   differ by 2 % if nothing else runs, and by 3 % with a load of 6. */
#define ONE_RUN_SCATTER 0.025

/* The runs of one side, added up. Zero is no run. */
struct measure {
    double sum, squares; /* of the runs' values */
    double variance;     /* of their sampling errors */
};

enum error_basis { BASIS_SAMPLING, BASIS_RUNS, BASIS_ONE_RUN, BASIS_RANKS, BASIS_SHARE };

struct change {
    double a, b, delta; /* means of the runs, and b - a */
    double error;       /* delta +- error is the interval at the level */
    double sampling;    /* the part of it that is known by sampling alone */
    enum error_basis basis;
    bool significant;
};

/* What is the same for all values of a comparison. */
struct comparison {
    size_t runs[2];       /* of A and B; at least 1 */
    bool one_run_scatter; /* if there is one run a side, runs are taken to differ by more than sampling */
    double level;         /* in standard errors */
    double student; /* the level with the degrees of freedom that the runs have; 0: there is one run a side */
};

/* A second look at a value that is not significant, with what each run has: disturbed runs widen the scatter, and leave
   the order of the runs nearly as it was (ranks.h). */
void change_by_ranks(const struct comparison *comparison, struct change *change, const double *a,
                     const double *b);

/* A second look at a part of the totals that is not significant, if there is one run a side. */
void change_by_share(const struct comparison *comparison, struct change *change,
                     const struct measure value[2], const struct measure total[2]);

struct comparison comparison_make(size_t runs_a, size_t runs_b, bool one_run_scatter, double level);
void measure_add(struct measure *measure, double value, double variance);
struct change change_of(const struct comparison *comparison, const struct measure *a,
                        const struct measure *b);

/* The level at which 1 of 20 comparisons shows any of so many equal functions. */
double level_of_list(size_t functions);

/* The probability of |t| >= the value: normal, or Student's with so many degrees of freedom. */
double normal_beyond(double value);
double student_beyond(double value, size_t freedom);

/* The value that |t| passes with this probability. */
double student_quantile(double probability, size_t freedom);

#endif
