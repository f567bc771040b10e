/* SPDX-License-Identifier: Apache-2.0 */
#include "significance.h"

#include <math.h>

#include "ranks.h"

/* Above, Student's distribution is the normal one for us. */
enum { FREEDOM_MOST = 200 };

double normal_beyond(double value)
{
    return erfc(fabs(value) / M_SQRT2);
}

/* The finite series for whole degrees of freedom (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and
   26.7.4). */
double student_beyond(double value, size_t freedom)
{
    double angle = atan(fabs(value) / sqrt((double)freedom)), cosine = cos(angle), square = cosine * cosine;
    bool odd = freedom % 2;
    double term = odd ? cosine : 1, sum = freedom == 1 ? 0 : term;

    if (freedom > FREEDOM_MOST)
        return normal_beyond(value);
    for (size_t k = odd ? 3 : 2; k < freedom; k += 2) {
        term *= square * (double)(k - 1) / (double)k;
        sum += term;
    }
    return 1 - (odd ? 2 / M_PI * (angle + sin(angle) * sum) : sin(angle) * sum);
}

double student_quantile(double probability, size_t freedom)
{
    double low = 0, high = 1;

    while (high < 1e9 && student_beyond(high, freedom) > probability)
        high *= 2;
    for (unsigned i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (student_beyond(middle, freedom) > probability)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double level_of_list(size_t functions)
{
    double level = functions ? student_quantile(0.05 / (double)functions, FREEDOM_MOST + 1) : 0;

    return level > LEVEL_LISTED ? level : LEVEL_LISTED;
}

void measure_add(struct measure *measure, double value, double variance)
{
    measure->sum += value;
    measure->squares += value * value;
    measure->variance += variance;
}

/* Of the runs of one side around their mean. */
static double squares_around_mean(const struct measure *measure, double runs)
{
    double squares = measure->squares - measure->sum * measure->sum / runs;
    return squares > 0 ? squares : 0;
}

struct comparison comparison_make(size_t runs_a, size_t runs_b, bool one_run_scatter, double level)
{
    struct comparison comparison = {
        .runs = {runs_a, runs_b}, .one_run_scatter = one_run_scatter, .level = level};
    size_t freedom = runs_a + runs_b - 2;

    if (freedom)
        comparison.student = student_quantile(normal_beyond(level), freedom);
    return comparison;
}

static double scatter_between(const struct comparison *comparison, const struct measure *a,
                              const struct measure *b, const struct change *change)
{
    double runs_a = (double)comparison->runs[0], runs_b = (double)comparison->runs[1];

    if (comparison->student > 0)
        return comparison->student * sqrt((squares_around_mean(a, runs_a) + squares_around_mean(b, runs_b)) /
                                          (runs_a + runs_b - 2) * (1 / runs_a + 1 / runs_b));
    if (comparison->one_run_scatter)
        return comparison->level * ONE_RUN_SCATTER * sqrt(change->a * change->a + change->b * change->b);
    return 0;
}

struct change change_of(const struct comparison *comparison, const struct measure *a, const struct measure *b)
{
    double runs_a = (double)comparison->runs[0], runs_b = (double)comparison->runs[1], scatter;
    struct change change = {.a = a->sum / runs_a, .b = b->sum / runs_b};

    change.delta = change.b - change.a;
    change.sampling = change.error =
        comparison->level * sqrt(a->variance / (runs_a * runs_a) + b->variance / (runs_b * runs_b));
    scatter = scatter_between(comparison, a, b, &change);
    if (scatter > change.error) {
        change.error = scatter;
        change.basis = comparison->student > 0 ? BASIS_RUNS : BASIS_ONE_RUN;
    }
    if (!(comparison->student > 0)) /* the scatter is assumed, and holds no sampling error */
        change.error = hypot(change.sampling, scatter);
    change.significant = fabs(change.delta) > change.error;
    return change;
}

void change_by_ranks(const struct comparison *comparison, struct change *change, const double *a,
                     const double *b)
{
    double least;

    if (change->significant || !(comparison->student > 0) || fabs(change->delta) <= change->sampling)
        return;
    least = ranks_least_difference(a, comparison->runs[0], b, comparison->runs[1],
                                   normal_beyond(comparison->level));
    if (least == 0 || (least > 0) != (change->delta > 0))
        return;
    change->significant = true;
    change->basis = BASIS_RANKS;
    change->error = fabs(change->delta) > fabs(least) ? fabs(change->delta - least) : change->sampling;
}

void change_by_share(const struct comparison *comparison, struct change *change,
                     const struct measure value[2], const struct measure total[2])
{
    double scale, delta, sampling, scatter, a = change->a, b;

    if (change->significant || comparison->student > 0 || !comparison->one_run_scatter ||
        !(total[0].sum > 0) || !(total[1].sum > 0) || fabs(change->delta) <= change->sampling)
        return;
    scale = total[0].sum / total[1].sum;
    b = change->b * scale;
    delta = b - a;
    sampling = sqrt(value[0].variance + value[1].variance * scale * scale);
    scatter = ONE_RUN_SCATTER * hypot(a * (1 - a / total[0].sum), b * (1 - b / total[0].sum));
    if ((delta > 0) != (change->delta > 0) || fabs(delta) <= comparison->level * hypot(sampling, scatter))
        return;
    change->significant = true;
    change->basis = BASIS_SHARE;
    change->error = change->sampling;
}
