/* SPDX-License-Identifier: Apache-2.0 */
#include "live_blocks.h"

#include "sampler/process/process.h"

#include "sampler/base/poison.h"

enum { FREE = 0, BEING_WRITTEN = 1 };

uint8_t alloc_filter[ALLOC_FILTER];

/* Changes of the filter's counters are atomic. free() reads one byte by an ordinary load: the block's
   counter was raised before its address was handed out, so whoever frees the block sees it. */
static void filter_change(uintptr_t block, int by)
{
    _Atomic uint8_t *count = (_Atomic uint8_t *)&alloc_filter[alloc_filter_index(block)];
    uint8_t old = atomic_load_explicit(count, memory_order_relaxed);
    do {
        if (old == ALLOC_FILTER_STUCK || (by < 0 && !old))
            return; /* it has overflowed, and stays set */
    } while (!atomic_compare_exchange_weak_explicit(count, &old, (uint8_t)(old + by), memory_order_relaxed,
                                                    memory_order_relaxed));
}

/*
 * The i-th entry to try for a block. The first few are in a small part of the table, the next in a larger
 * one. So a program with a few hundred live samples touches 40 pages of the segment, not 640.
 */
static struct seg_live *way(struct segment *segment, uintptr_t block, unsigned i)
{
    static const struct {
        uint32_t first, size, until;
    } parts[] = {{0, 4096, 5}, {4096, 12288, 10}, {16384, LAYOUT_LIVE - 16384, LAYOUT_LIVE_WAYS}};
    uint64_t hash = (uint64_t)(block >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    unsigned part = i < parts[0].until ? 0 : i < parts[1].until ? 1 : 2;
    uint64_t index = (hash * parts[part].size >> 32) + i;
    return &segment->live[parts[part].first + index % parts[part].size];
}

void live_blocks_insert(struct segment *segment, uintptr_t block, const struct alloc_saved *what)
{
    for (unsigned i = 0; i < LAYOUT_LIVE_WAYS; i++) {
        struct seg_live *live = way(segment, block, i);
        uint64_t address = FREE;
        if (!atomic_compare_exchange_strong_explicit(&live->address, &address, BEING_WRITTEN,
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        atomic_fetch_add_explicit(&live->sequence, 1, memory_order_relaxed);
        /* Pairs with the fence in the uploader's live_read(): if that has read any of what follows, it sees
           another sequence. */
        atomic_thread_fence(memory_order_release);
        live->stack = what->stack;
        live->generation = what->generation;
        live->name = what->name;
        live->labels = what->labels;
        live->size = what->size;
        live->objects = what->objects;
        filter_change(block, 1);
        atomic_store_explicit(&live->address, block, memory_order_release);
        return;
    }
    segment_count(segment, COUNT_LOST_LIVE_TABLE, 1);
}

bool live_blocks_remove(struct segment *segment, uintptr_t block, struct alloc_saved *saved)
{
    for (unsigned i = 0; i < LAYOUT_LIVE_WAYS; i++) {
        struct seg_live *live = way(segment, block, i);
        uint64_t address = atomic_load_explicit(&live->address, memory_order_acquire);
        if (address != block)
            continue;
        if (saved)
            *saved = (struct alloc_saved){live->size,       live->objects, live->stack,
                                          live->generation, live->name,    live->labels};
        if (!atomic_compare_exchange_strong_explicit(&live->address, &address, FREE, memory_order_relaxed,
                                                     memory_order_relaxed))
            return false; /* freed twice at once: the program's own error */
        filter_change(block, -1);
        return true;
    }
    return false;
}

void live_blocks_forget(void)
{
    for (unsigned i = 0; i < ALLOC_FILTER; i++)
        if (alloc_filter[i] && alloc_filter[i] != ALLOC_FILTER_STUCK) /* else a child would copy the page */
            alloc_filter[i] = 0;
}
