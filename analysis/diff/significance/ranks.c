/* SPDX-License-Identifier: Apache-2.0 */
#include "ranks.h"

#include <math.h>
#include <stdlib.h>

/* Above, the normal distribution is close enough. */
enum { EXACT_MOST = 30 };

/* In how many of all orders of a and b values at least `pairs` pairs of an a and a later b are found, as a share. By the
   recurrence of Mann and Whitney: the last value of an order is an a, or it is a b, which comes after all a. */
static double orders_from(size_t count_a, size_t count_b, size_t pairs)
{
    size_t most = count_a * count_b, row = most + 1;
    double *ways = calloc((count_a + 1) * row, sizeof *ways), beyond = 0, all = 0;

    if (!ways)
        return 1;
    for (size_t a = 0; a <= count_a; a++)
        ways[a * row] = 1;
    for (size_t b = 1; b <= count_b; b++)
        for (size_t a = 1; a <= count_a; a++)
            for (size_t u = most + 1; u-- > 0;)
                ways[a * row + u] = ways[(a - 1) * row + u] + (u >= a ? ways[a * row + u - a] : 0);
    for (size_t u = 0; u <= most; u++) {
        all += ways[count_a * row + u];
        beyond += u >= pairs ? ways[count_a * row + u] : 0;
    }
    free(ways);
    return beyond / all;
}

/* Of pairs of an a and a b, in how many b is larger. */
static double count_pairs(const double *a, size_t count_a, const double *b, size_t count_b)
{
    double pairs = 0;

    for (size_t i = 0; i < count_a; i++)
        for (size_t j = 0; j < count_b; j++)
            pairs += a[i] < b[j] ? 1 : a[i] == b[j] ? 0.5 : 0;
    return pairs;
}

/* Of both directions. */
static double beyond_pairs(size_t count_a, size_t count_b, double pairs)
{
    double most = (double)count_a * (double)count_b, far = fmax(pairs, most - pairs), beyond;

    if (count_a <= EXACT_MOST && count_b <= EXACT_MOST)
        beyond = 2 * orders_from(count_a, count_b, (size_t)floor(far));
    else
        beyond = erfc((far - most / 2 - 0.5) / sqrt(most * (double)(count_a + count_b + 1) / 12) / M_SQRT2);
    return beyond < 1 ? beyond : 1;
}

double ranks_beyond(const double *a, size_t count_a, const double *b, size_t count_b)
{
    return beyond_pairs(count_a, count_b, count_pairs(a, count_a, b, count_b));
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double ranks_least_difference(const double *a, size_t count_a, const double *b, size_t count_b,
                              double probability)
{
    size_t count = count_a * count_b, outside = 0;
    double *difference = malloc((count + 1) * sizeof *difference), low, high;

    if (!difference)
        return 0;
    for (size_t i = 0; i < count_a; i++)
        for (size_t j = 0; j < count_b; j++)
            difference[i * count_b + j] = b[j] - a[i];
    qsort(difference, count, sizeof *difference, by_size);
    /* How many of the smallest ones may be left out: with that many pairs the test would still refuse. */
    while (2 * (outside + 1) < count &&
           beyond_pairs(count_a, count_b, (double)(count - outside)) < probability)
        outside++;
    low = outside ? difference[outside - 1] : -INFINITY;
    high = outside ? difference[count - outside] : INFINITY;
    free(difference);
    return low > 0 ? low : high < 0 ? high : 0;
}
