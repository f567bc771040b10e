/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation sampling: a Poisson process over bytes with a mean of CPROF_MEMORY_RATE, by a countdown in
 * thread-local storage. Sampled blocks that are alive are in the segment's table. free() asks a small
 * counting filter first, with one load.
 *
 * Use, in a hook:
 *     void *malloc(size_t size)
 *     {
 *         void *block;
 *         if (__builtin_expect(!alloc_due(size), 1))
 *             return real.malloc(size);
 *         block = real.malloc(size);
 *         alloc_sampled(block, size);     // NULL is fine
 *         return block;
 *     }
 *     void free(void *block)
 *     {
 *         if (__builtin_expect(alloc_may_be_tracked(block), 0))
 *             alloc_untrack(block, NULL);  // before the real free: the address may be given out at once
 *         real.free(block);
 *     }
 * realloc untracks first and tracks again with alloc_retrack() if it failed. All of it keeps errno.
 */
#ifndef CPROF_SAMPLER_ALLOC_H
#define CPROF_SAMPLER_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/segment/layout_waits.h"
#include "sampler/threads/thread_local.h"

/* A counter at STUCK has overflowed. It never changes again, also not after a fork. */
enum { ALLOC_FILTER = 65536, ALLOC_FILTER_STUCK = 255 };
extern uint8_t alloc_filter[ALLOC_FILTER] __attribute__((visibility("hidden")));

/*
 * Pages are counted, not blocks. Neighbouring pages have neighbouring counters, so one cache line of the
 * filter covers 256 KiB of heap, and stays in the cache as that heap does. A hash of the page would miss the
 * cache.
 */
static inline unsigned alloc_filter_index(uintptr_t address)
{
    return (address >> 12) % ALLOC_FILTER;
}

static inline bool alloc_due(size_t size)
{
    if (__builtin_expect(size < thread_local_state.alloc_gap, 1)) {
        thread_local_state.alloc_gap -= size;
        return false;
    }
    return true;
}

static inline bool alloc_may_be_tracked(const void *block)
{
    return __builtin_expect(
        ((volatile const uint8_t *)alloc_filter)[alloc_filter_index((uintptr_t)block)] != 0, 0);
}

/* What the table had of a block that was taken out. */
struct alloc_saved {
    uint64_t size, objects;
    uint32_t stack, generation;
    uint16_t name, labels;
};

/* After the real call, when alloc_due() said so: draws the next gap and, if the gap was really used up,
   records. The stack is walked from the caller: hooks call it directly. */
void alloc_sampled(void *block, size_t size);

/* The same for memory that the program has mapped by the function `leaf`. true: it was recorded. */
bool alloc_mapping_sampled(enum wait_kind leaf, void *start, size_t size);

/* Takes the block out of the live table. true: it was in it, and *saved (may be NULL) tells what was known.
 */
bool alloc_untrack(const void *block, struct alloc_saved *saved);
void alloc_retrack(const void *block, const struct alloc_saved *saved);

#endif
