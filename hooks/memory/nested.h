/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nested allocations. An allocator may implement one function by another one's public name: glibc's
 * reallocarray calls realloc, jemalloc's aligned operator new calls aligned_alloc. The inner hook has then
 * counted the block already. It changes the thread's gap, so comparing the gap before and after tells, for
 * every allocator.
 */
#ifndef CPROF_HOOKS_NESTED_H
#define CPROF_HOOKS_NESTED_H

#include "sampler/memory/alloc.h"

static inline uint64_t gap_before_call(void)
{
    return thread_local_state.alloc_gap;
}

/* After the real call: counts the block unless that was done inside. Returns it. */
static inline void *sample_unless_nested(uint64_t gap, void *block, size_t size)
{
    if (block && thread_local_state.alloc_gap == gap && alloc_due(size))
        alloc_sampled(block, size);
    return block;
}

#endif
