/* SPDX-License-Identifier: Apache-2.0 */
/* The stacks of a profile as functions, without lines and threads: what formats have that know of neither. One thread only. */
#ifndef CPROF_ANALYSIS_STACKS_H
#define CPROF_ANALYSIS_STACKS_H

#include "analysis/tables/reading.h"

/* function[0] is the root's. The functions are numbers of the profile. 0 goes on. */
typedef int stack_visit(void *context, const uint32_t *function, size_t depth, int64_t value);

struct stacks_what {
    const struct read_profile *profile;
    unsigned type;
    const char *thread; /* of these samples alone; NULL: of all */
    bool by_name;       /* functions of the same name are one */
};

/* Calls visit() for each distinct stack with a value other than 0, in the order of names from the root on. 0, -ENOMEM, or
   what visit() returned. */
int stacks_each(const struct stacks_what *what, stack_visit *visit, void *context);

/* The names of the threads in the samples, each once, in the order of names. malloc'ed; NULL without memory. */
const char **stacks_threads(const struct read_profile *profile, size_t *count);

#endif
