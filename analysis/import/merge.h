/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks of one reading in the tables of another one. One thread only. */
#ifndef CPROF_ANALYSIS_MERGE_H
#define CPROF_ANALYSIS_MERGE_H

#include "analysis/tables/reading.h"

/* Numbers in the profile that is added to, by those in the profile that is added. */
struct merge_map {
    uint32_t *node, *set;
};

/* Makes the stacks and label sets of from, of any reading, ones of `to`, of this reading. 0 or -ENOMEM or -E2BIG; the map is
   to be freed in any case. */
int merge_tables(struct reading *reading, struct read_profile *to, const struct read_profile *from,
                 struct merge_map *map);
void merge_map_free(struct merge_map *map);

/* Adds all profiles, to those of the same program, kind and types. 0, -ENOMEM or -E2BIG. */
int merge_reading(struct reading *reading, const struct reading *from);

#endif
