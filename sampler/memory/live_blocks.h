/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sampled blocks that are alive, in the segment, and its filter. Lock-free, signal-safe. */
#ifndef CPROF_SAMPLER_LIVE_BLOCKS_H
#define CPROF_SAMPLER_LIVE_BLOCKS_H

#include "alloc.h"
#include "sampler/segment/layout.h"

/* Counts COUNT_LOST_LIVE_TABLE when the block's part of the table is full. */
void live_blocks_insert(struct segment *segment, uintptr_t block, const struct alloc_saved *what);
bool live_blocks_remove(struct segment *segment, uintptr_t block, struct alloc_saved *saved);

/* After fork: the table of the new segment is empty, and so is the filter, except for counters that are
   stuck. */
void live_blocks_forget(void);

#endif
