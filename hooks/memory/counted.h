/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For allocation functions that an allocator may make of another one by its public name, as glibc's
 * reallocarray calls realloc and jemalloc's aligned operator new calls aligned_alloc: that one's hook has
 * counted down, or drawn, the thread's gap already. Whether it did shows in the gap, so nothing need be known
 * about the allocator.
 */
#ifndef CPROF_HOOKS_COUNTED_H
#define CPROF_HOOKS_COUNTED_H

#include "sampler/memory/alloc.h"

static inline uint64_t gap_before(void)
{
    return thread_local_state.alloc_gap;
}

/* After the real call: counts the block unless that was done inside. Returns it. */
static inline void *counted_inside(uint64_t gap, void *block, size_t size)
{
    if (block && thread_local_state.alloc_gap == gap && alloc_due(size))
        alloc_sampled(block, size);
    return block;
}

#endif
