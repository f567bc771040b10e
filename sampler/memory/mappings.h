/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that the program maps itself: anonymous mappings and the program break. They are sampled as blocks are,
 * with the function that mapped them as the leaf of the stack. Sampled mappings that are alive are kept in a
 * table of ranges, since a part of one may be unmapped, replaced or moved. So are the others, as far as there
 * is room, because mremap() does not say whether it makes memory grow or a file's mapping. Lock-free,
 * signal-safe, errno untouched.
 */
#ifndef CPROF_SAMPLER_MAPPINGS_H
#define CPROF_SAMPLER_MAPPINGS_H

#include "alloc.h"
#include "sampler/segment/layout.h"

enum { MAPPINGS = 4096, MAPPINGS_UNSAMPLED = 3072 /* the last ones are for those that are sampled */ };

/* A change of what is mapped at [start, end), between begin and end. */
struct mapping_change {
    uintptr_t start, end;
    uint64_t claimed[MAPPINGS / 64]; /* entries of the table, as bits */
};

/* Nothing is tracked, so that no change needs to be followed. */
bool mappings_none(void);

/* Before and after a call that unmaps, replaces or moves a range. */
void mapping_change_begin(struct mapping_change *change, uintptr_t start, size_t size);

/* The range is now at `to`, and `size` bytes long: 0 if it is gone. true: what was moved is tracked. */
bool mapping_change_done(struct mapping_change *change, uintptr_t to, size_t size);

/* The call failed: everything is where it was. */
void mapping_change_failed(struct mapping_change *change);

/* Enters a mapping of the program's that was not sampled, so that its growth is known to be memory. */
void mappings_track(uintptr_t start, size_t size);

/* Enters a sampled one, in the table of live blocks, too. Counts COUNT_LOST_MAPPING when the table is full. */
void mappings_insert(struct segment *segment, uintptr_t start, const struct alloc_saved *what);

/* After fork. */
void mappings_forget(void);

#endif
