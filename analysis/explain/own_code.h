/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions are the user's own, and which are of libraries that everybody has. Pure. */
#ifndef CPROF_ANALYSIS_OWN_CODE_H
#define CPROF_ANALYSIS_OWN_CODE_H

#include "analysis/tables/reading.h"

enum { OWN_NONE = UINT32_MAX, COSTS_MOST = 8 };

/* A function and what it costs. */
struct cost {
    uint32_t function;
    int64_t value;
};

/* The largest ones, the largest first. */
struct costs {
    struct cost item[COSTS_MOST];
    size_t count;
    int64_t total; /* of the profile */
};

enum cost_by {
    COST_ITSELF,     /* the innermost function: flat of go tool pprof */
    COST_CUMULATIVE, /* with what it calls: cum of go tool pprof */
    COST_OWN_CODE,   /* the first function of the user's own from the leaf on */
    COST_ALLOCATING, /* the same, and one that is no wrapper of malloc() if there is one */
};

/* weight: of each sample. 0 or -ENOMEM. */
int costs_of(struct costs *costs, const struct read_profile *profile, const int64_t *weight, enum cost_by by);

/* The values of one type, for costs_of(). malloc'ed; NULL without memory. */
int64_t *costs_weight(const struct read_profile *profile, unsigned type);

/* The first function of the user's own in the stack of this node, from the leaf on; if there is none, the first one of a
   library other than libc. OWN_NONE: there is neither. */
uint32_t own_function(const struct read_profile *profile, uint32_t node);
uint32_t own_allocating(const struct read_profile *profile, uint32_t node);
bool own_is(const struct read_profile *profile, uint32_t function);

#endif
