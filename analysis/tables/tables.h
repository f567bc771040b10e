/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a profile, while files are added to it: each entry once. One thread only. */
#ifndef CPROF_ANALYSIS_TABLES_H
#define CPROF_ANALYSIS_TABLES_H

#include "index.h"
#include "reading.h"

/* In all tables of one profile. */
enum { TABLES_MOST = 1 << 25 };

struct read_tables {
    struct index functions, frames, nodes, sets, samples;
    size_t functions_room, frames_room, nodes_room, sets_room, samples_room, values_room;
};

/* With the root and the empty set. NULL without memory. */
struct read_profile *tables_new(struct store *store);
void tables_free(struct read_profile *profile);

/* Without what is needed to add entries. */
void tables_trim(struct read_profile *profile);

/* Each gives the number of an entry, which may be new. 0, -ENOMEM, or -E2BIG above TABLES_MOST. Texts are interned in the
   reading's store, and are compared by their address. */
int tables_function(struct read_profile *profile, const struct read_function *function, uint32_t *number);
int tables_frame(struct read_profile *profile, const struct read_frame *frame, uint32_t *number);
int tables_node(struct read_profile *profile, uint32_t parent, uint32_t frame, uint32_t *number);

/* The labels are copied to the store if the set is new. */
int tables_set(struct read_profile *profile, struct store *store, const struct read_set *set,
               uint32_t *number);

/* Adds values, profile->types of them, to the sample of this node and set. */
int tables_add(struct read_profile *profile, uint32_t node, uint32_t set, const int64_t *value);

#endif
