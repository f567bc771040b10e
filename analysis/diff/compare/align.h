/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions and stacks of several profiles in one numbering. Functions are the same if they have the same name, as in
 * `go tool pprof -diff_base`: a new build has another path, other lines and other inlining. One thread only.
 */
#ifndef CPROF_ANALYSIS_ALIGN_H
#define CPROF_ANALYSIS_ALIGN_H

#include "analysis/tables/index.h"
#include "analysis/tables/reading.h"

/* Where a stack was met first. Stacks are compared by a hash of 64 bits of their functions. */
struct align_stack {
    const struct read_profile *profile;
    uint32_t node;
    uint64_t hash;
};

/* Texts are borrowed from the profiles. */
struct align {
    struct read_function *function;
    struct align_stack *stack;
    size_t functions, stacks;
    size_t functions_room, stacks_room;
    struct index function_index, stack_index;
};

/* *map: malloc'ed, the number of each of the profile's functions. 0 or -ENOMEM. */
int align_functions(struct align *align, const struct read_profile *profile, uint32_t **map);

/* The stack's number; hash: of its functions. 0 or -ENOMEM. */
int align_stack(struct align *align, const struct read_profile *profile, uint32_t node, uint64_t hash,
                uint32_t *number);

/* A stack's frames, leaf first: calls name() with each name. */
typedef void stack_name(void *context, const char *name);
void align_names(const struct align_stack *stack, stack_name *name, void *context);

void align_free(struct align *align);

#endif
