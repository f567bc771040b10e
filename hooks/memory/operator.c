/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C++'s operator new and delete. If the next definition is libstdc++'s, or another one that calls malloc,
 * the hook of malloc does the work and these only forward. If an allocator has its own (jemalloc, tcmalloc,
 * mimalloc), it is sampled here. Exceptions of the real function pass through.
 */
#include "hooks/hooks.h"
#include "nested.h"
#include "preload/real/arena.h"
#include "sampler/memory/alloc.h"

/* True: this call is to be sampled. */
#define NEW_DUE(name, size) UNLIKELY(real_allocates[REAL_##name] && alloc_due(size))

static void *sampled(void *block, size_t size)
{
    alloc_sampled(block, size);
    return block;
}

void *_Znwm(size_t size)
{
    if (NEW_DUE(_Znwm, size))
        return sampled(real._Znwm(size), size);
    return real._Znwm(size);
}

void *_Znam(size_t size)
{
    if (NEW_DUE(_Znam, size))
        return sampled(real._Znam(size), size);
    return real._Znam(size);
}

void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow)
{
    if (NEW_DUE(_ZnwmRKSt9nothrow_t, size))
        return sampled(real._ZnwmRKSt9nothrow_t(size, nothrow), size);
    return real._ZnwmRKSt9nothrow_t(size, nothrow);
}

void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow)
{
    if (NEW_DUE(_ZnamRKSt9nothrow_t, size))
        return sampled(real._ZnamRKSt9nothrow_t(size, nothrow), size);
    return real._ZnamRKSt9nothrow_t(size, nothrow);
}

/* ---- aligned ones are rare */

void *_ZnwmSt11align_val_t(size_t size, size_t alignment)
{
    uint64_t gap = gap_before_call();
    return sample_unless_nested(gap, real._ZnwmSt11align_val_t(size, alignment), size);
}

void *_ZnamSt11align_val_t(size_t size, size_t alignment)
{
    uint64_t gap = gap_before_call();
    return sample_unless_nested(gap, real._ZnamSt11align_val_t(size, alignment), size);
}

void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *nothrow)
{
    uint64_t gap = gap_before_call();
    return sample_unless_nested(gap, real._ZnwmSt11align_val_tRKSt9nothrow_t(size, alignment, nothrow), size);
}

void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *nothrow)
{
    uint64_t gap = gap_before_call();
    return sample_unless_nested(gap, real._ZnamSt11align_val_tRKSt9nothrow_t(size, alignment, nothrow), size);
}

/* ---- delete: untracked before the real call. If that calls free, its hook finds nothing left to do. */
static bool is_to_be_released(const void *block)
{
    if (UNLIKELY(alloc_may_be_tracked(block))) {
        if (arena_owns(block)) /* never the real allocator's */
            return false;
        alloc_untrack(block, NULL);
    }
    return true;
}

/* The same for the frequent ones: a block that is not tracked ends in a tail jump. */
__attribute__((noinline)) static void delete_tracked(void (*release)(void *), void *block)
{
    if (is_to_be_released(block))
        release(block);
}

__attribute__((noinline)) static void delete_tracked_sized(void (*release)(void *, size_t), void *block,
                                                           size_t size)
{
    if (is_to_be_released(block))
        release(block, size);
}

void _ZdlPv(void *block)
{
    if (UNLIKELY(alloc_may_be_tracked(block)))
        delete_tracked(real._ZdlPv, block);
    else
        real._ZdlPv(block);
}

void _ZdaPv(void *block)
{
    if (UNLIKELY(alloc_may_be_tracked(block)))
        delete_tracked(real._ZdaPv, block);
    else
        real._ZdaPv(block);
}

void _ZdlPvm(void *block, size_t size)
{
    if (UNLIKELY(alloc_may_be_tracked(block)))
        delete_tracked_sized(real._ZdlPvm, block, size);
    else
        real._ZdlPvm(block, size);
}

void _ZdaPvm(void *block, size_t size)
{
    if (UNLIKELY(alloc_may_be_tracked(block)))
        delete_tracked_sized(real._ZdaPvm, block, size);
    else
        real._ZdaPvm(block, size);
}

void _ZdlPvRKSt9nothrow_t(void *block, const void *nothrow)
{
    if (is_to_be_released(block))
        real._ZdlPvRKSt9nothrow_t(block, nothrow);
}

void _ZdaPvRKSt9nothrow_t(void *block, const void *nothrow)
{
    if (is_to_be_released(block))
        real._ZdaPvRKSt9nothrow_t(block, nothrow);
}

void _ZdlPvSt11align_val_t(void *block, size_t alignment)
{
    if (is_to_be_released(block))
        real._ZdlPvSt11align_val_t(block, alignment);
}

void _ZdaPvSt11align_val_t(void *block, size_t alignment)
{
    if (is_to_be_released(block))
        real._ZdaPvSt11align_val_t(block, alignment);
}

void _ZdlPvmSt11align_val_t(void *block, size_t size, size_t alignment)
{
    if (is_to_be_released(block))
        real._ZdlPvmSt11align_val_t(block, size, alignment);
}

void _ZdaPvmSt11align_val_t(void *block, size_t size, size_t alignment)
{
    if (is_to_be_released(block))
        real._ZdaPvmSt11align_val_t(block, size, alignment);
}

void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *block, size_t alignment, const void *nothrow)
{
    if (is_to_be_released(block))
        real._ZdlPvSt11align_val_tRKSt9nothrow_t(block, alignment, nothrow);
}

void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *block, size_t alignment, const void *nothrow)
{
    if (is_to_be_released(block))
        real._ZdaPvSt11align_val_tRKSt9nothrow_t(block, alignment, nothrow);
}
