/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C allocation functions. The first four are the hot path of every program, so a call that is not sampled
 * ends in a tail jump. For these, glibc, jemalloc, tcmalloc and mimalloc call themselves by internal names, so
 * nothing is counted twice. For the others that is measured (nested.h).
 *
 * The allocators' own interfaces (jemalloc's mallocx(), mi_malloc() and the like) are in direct.c.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "hooks/hooks.h"
#include "nested.h"
#include "preload/real/arena.h"
#include "sampler/memory/alloc.h"

__attribute__((noinline)) static void *malloc_due(size_t size)
{
    void *block = real.malloc(size);
    alloc_sampled(block, size);
    return block;
}

void *malloc(size_t size)
{
    if (UNLIKELY(alloc_due(size)))
        return malloc_due(size);
    return real.malloc(size);
}

/* Blocks of the arena were never the real allocator's. */
__attribute__((noinline)) static void free_tracked(void *block)
{
    if (arena_owns(block))
        return;
    alloc_untrack(block, NULL);
    real.free(block);
}

void free(void *block)
{
    if (UNLIKELY(alloc_may_be_tracked(block))) {
        free_tracked(block);
        return;
    }
    real.free(block);
}

__attribute__((noinline)) static void *calloc_due(size_t count, size_t size)
{
    void *block = real.calloc(count, size);
    alloc_sampled(block, count * size);
    return block;
}

/* If the product overflows, any size may be counted: the real function refuses the call. */
void *calloc(size_t count, size_t size)
{
    if (UNLIKELY(alloc_due(count * size)))
        return calloc_due(count, size);
    return real.calloc(count, size);
}

static void *realloc_from_arena(const void *old, size_t size)
{
    void *block = malloc(size);
    if (block)
        __builtin_memcpy(block, old, size < arena_size(old) ? size : arena_size(old));
    return block;
}

/* Untracked before the real call, since another thread may be given the address at once. */
__attribute__((noinline)) static void *realloc_tracked(void *old, size_t size, bool due)
{
    struct alloc_saved saved;
    bool tracked;
    void *block;

    if (arena_owns(old))
        return realloc_from_arena(old, size);
    tracked = old && alloc_untrack(old, &saved);
    block = real.realloc(old, size);
    if (!block && tracked && size)
        alloc_retrack(old, &saved);
    if (due)
        alloc_sampled(block, size);
    return block;
}

void *realloc(void *old, size_t size)
{
    bool due = alloc_due(size);
    if (UNLIKELY(due || alloc_may_be_tracked(old)))
        return realloc_tracked(old, size, due);
    return real.realloc(old, size);
}

/* ---- rarer ones */

void *reallocarray(void *old, size_t count, size_t size)
{
    struct alloc_saved saved;
    uint64_t gap = gap_before_call();
    bool tracked = old && alloc_may_be_tracked(old) && !arena_owns(old) && alloc_untrack(old, &saved);
    void *block = real.reallocarray(old, count, size);
    if (!block && tracked && count && size)
        alloc_retrack(old, &saved);
    return sample_unless_nested(gap, block, count * size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    uint64_t gap = gap_before_call();
    int error = real.posix_memalign(block, alignment, size);
    if (!error)
        sample_unless_nested(gap, *block, size);
    return error;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    uint64_t gap = gap_before_call();
    return sample_unless_nested(gap, real.aligned_alloc(alignment, size), size);
}

void *memalign(size_t alignment, size_t size)
{
    uint64_t gap = gap_before_call();
    return sample_unless_nested(gap, real.memalign(alignment, size), size);
}

void *valloc(size_t size)
{
    uint64_t gap = gap_before_call();
    return sample_unless_nested(gap, real.valloc(size), size);
}

void *pvalloc(size_t size)
{
    uint64_t gap = gap_before_call();
    return sample_unless_nested(gap, real.pvalloc(size), size);
}

void free_sized(void *block, size_t size)
{
    if (UNLIKELY(alloc_may_be_tracked(block)))
        free_tracked(block);
    else
        real.free_sized(block, size);
}

void free_aligned_sized(void *block, size_t alignment, size_t size)
{
    if (UNLIKELY(alloc_may_be_tracked(block)))
        free_tracked(block);
    else
        real.free_aligned_sized(block, alignment, size);
}

void cfree(void *block)
{
    free(block);
}
