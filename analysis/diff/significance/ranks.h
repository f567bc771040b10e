/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the values of one side larger than those of the other? The rank test of Wilcoxon, Mann and Whitney, which looks at
 * their order alone. A disturbed run is one step in the order, however slow it was. Student's test would take its
 * distance for the scatter of all. Pure.
 */
#ifndef CPROF_ANALYSIS_RANKS_H
#define CPROF_ANALYSIS_RANKS_H

#include <stddef.h>

/* The probability that two equal sides differ that much or more in their order. Ties count half. 1: no memory. */
double ranks_beyond(const double *a, size_t count_a, const double *b, size_t count_b);

/* The end that is nearer to 0 of the interval for the difference b - a that the test does not refuse at this probability
   (Hodges and Lehmann). 0: 0 is in it. */
double ranks_least_difference(const double *a, size_t count_a, const double *b, size_t count_b,
                              double probability);

#endif
