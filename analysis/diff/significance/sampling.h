/* SPDX-License-Identifier: Apache-2.0 */
/* The sampling error of values, by the rules of significance.h. Pure. */
#ifndef CPROF_ANALYSIS_SAMPLING_H
#define CPROF_ANALYSIS_SAMPLING_H

#include "analysis/tables/reading.h"

enum sampling_rule {
    SAMPLING_NONE,   /* exact, or nobody knows */
    SAMPLING_LOOKS,  /* v^2 / k by the looks' count, or v x period */
    SAMPLING_BYTES,  /* of memory */
    SAMPLING_BLOCKS, /* their number */
    SAMPLING_WAITS,  /* 2 v^2 / k */
    SAMPLING_COUNT,  /* k */
};

/* How one type of a profile was sampled. */
struct sampling {
    enum sampling_rule rule;
    unsigned type;
    int other;        /* the type of the looks, the blocks or the bytes; -1: none */
    double period;    /* of the type's unit; 0: not known */
    double clumping;  /* looks do not come one by one: what their variance is multiplied with; 0 is 1 */
    bool total_known; /* without sampling */
};

struct sampling sampling_of(const struct read_profile *profile, unsigned type);

/* The variance of one sample's value; value: of all types. */
double sampling_variance(const struct sampling *sampling, const int64_t *value);

#endif
