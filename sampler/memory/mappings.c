/* SPDX-License-Identifier: Apache-2.0 */
#include "mappings.h"

#include <sys/auxv.h>

#include "live_blocks.h"
#include "sampler/process/process.h"

#include "sampler/base/poison.h"

/*
 * start: 0 free, CLAIMED alone being written, else an address, which is CLAIMED while a call changes what is
 * there. `end` is stored before start (release) and read after start (acquire). Who claims an entry is the only
 * one to change it.
 */
enum { FREE = 0, CLAIMED = 1 };
static struct mapping {
    _Atomic uintptr_t start, end;
} mapping[MAPPINGS];
static _Atomic uint32_t used; /* entries from here on were never in use */

/* In the table of live blocks. No block has an odd address, so the two kinds do not meet. */
static uintptr_t key_of(uintptr_t start)
{
    return start | 1;
}

/* Claims one of so many entries. NULL: none is free. */
static struct mapping *take_entry(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uintptr_t start = FREE;
        uint32_t old = atomic_load_explicit(&used, memory_order_relaxed);
        if (atomic_load_explicit(&mapping[i].start, memory_order_relaxed) != FREE ||
            !atomic_compare_exchange_strong_explicit(&mapping[i].start, &start, CLAIMED, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        while (old < i + 1 && !atomic_compare_exchange_weak_explicit(&used, &old, i + 1, memory_order_relaxed,
                                                                     memory_order_relaxed))
            ;
        return &mapping[i];
    }
    return NULL;
}

static bool enter(uintptr_t start, size_t size, uint32_t count)
{
    struct mapping *entry = start && size ? take_entry(count) : NULL;

    if (!entry)
        return false;
    atomic_store_explicit(&entry->end, start + size, memory_order_relaxed);
    atomic_store_explicit(&entry->start, start, memory_order_release);
    return true;
}

bool mappings_none(void)
{
    return atomic_load_explicit(&used, memory_order_relaxed) == 0;
}

void mappings_track(uintptr_t start, size_t size)
{
    if (process_attached())
        enter(start, size, MAPPINGS_UNSAMPLED);
}

/* The live block comes first, since whoever finds the range looks for it. */
void mappings_insert(struct segment *segment, uintptr_t start, const struct alloc_saved *what)
{
    struct alloc_saved taken_back;

    live_blocks_insert(segment, key_of(start), what);
    if (enter(start, what->size, MAPPINGS))
        return;
    live_blocks_remove(segment, key_of(start), &taken_back);
    segment_count(segment, COUNT_LOST_MAPPING, 1);
}

/* Claims the entry if it is of a mapping in the range. */
static bool claim(struct mapping *entry, const struct mapping_change *change)
{
    uintptr_t start = atomic_load_explicit(&entry->start, memory_order_acquire);

    if (start == FREE || start & CLAIMED || start >= change->end ||
        atomic_load_explicit(&entry->end, memory_order_relaxed) <= change->start ||
        !atomic_compare_exchange_strong_explicit(&entry->start, &start, start | CLAIMED, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    /* Another mapping may have come to the entry, at the same start, before it was claimed. */
    if (atomic_load_explicit(&entry->end, memory_order_relaxed) > change->start)
        return true;
    atomic_store_explicit(&entry->start, start, memory_order_release);
    return false;
}

void mapping_change_begin(struct mapping_change *change, uintptr_t start, size_t size)
{
    uint32_t count = atomic_load_explicit(&used, memory_order_relaxed);
    uintptr_t page = getauxval(AT_PAGESZ);

    __builtin_memset(change->claimed, 0, sizeof change->claimed);
    change->start = start;
    if (__builtin_add_overflow(start, (size + page - 1) & ~(page - 1), &change->end))
        change->end = start;
    for (uint32_t i = 0; i < count; i++)
        if (claim(&mapping[i], change))
            change->claimed[i / 64] |= UINT64_C(1) << i % 64;
}

static struct mapping *next_claimed(struct mapping_change *change, unsigned *word)
{
    for (; *word < MAPPINGS / 64; ++*word)
        if (change->claimed[*word]) {
            unsigned bit = (unsigned)__builtin_ctzll(change->claimed[*word]);
            change->claimed[*word] &= change->claimed[*word] - 1;
            return &mapping[*word * 64 + bit];
        }
    return NULL;
}

void mapping_change_failed(struct mapping_change *change)
{
    struct mapping *entry;
    for (unsigned word = 0; (entry = next_claimed(change, &word));) {
        uintptr_t start = atomic_load_explicit(&entry->start, memory_order_relaxed);
        atomic_store_explicit(&entry->start, start & ~(uintptr_t)CLAIMED, memory_order_release);
    }
}

/* what: NULL if the mapping was not sampled. */
static bool insert_piece(struct segment *segment, uintptr_t start, uintptr_t end,
                         const struct alloc_saved *what)
{
    struct alloc_saved piece;

    if (start >= end)
        return false;
    if (!what) {
        enter(start, end - start, MAPPINGS_UNSAMPLED);
        return true;
    }
    piece = *what;
    piece.size = end - start;
    mappings_insert(segment, start, &piece);
    return true;
}

/* A mapping that a change cuts is replaced by what is left of it. Each piece stands for as many mappings as
   the whole did. If what is moved grows, the entry of what was not sampled grows with it. */
static bool cut(struct segment *segment, struct mapping *entry, const struct mapping_change *change,
                uintptr_t to, size_t size)
{
    uintptr_t start = atomic_load_explicit(&entry->start, memory_order_relaxed) & ~(uintptr_t)CLAIMED;
    uintptr_t end = atomic_load_explicit(&entry->end, memory_order_relaxed);
    uintptr_t from = start > change->start ? start : change->start;
    uintptr_t until = end < change->end ? end : change->end;
    struct alloc_saved saved;
    bool is_sampled = live_blocks_remove(segment, key_of(start), &saved);
    const struct alloc_saved *what = is_sampled ? &saved : NULL;

    atomic_store_explicit(&entry->start, FREE, memory_order_release);
    insert_piece(segment, start, from, what);
    insert_piece(segment, until, end, what);
    if (until - change->start > size || (until == change->end && !is_sampled))
        until = change->start + size;
    return insert_piece(segment, to + (from - change->start), to + (until - change->start), what);
}

bool mapping_change_done(struct mapping_change *change, uintptr_t to, size_t size)
{
    struct segment *segment = process_attached();
    struct mapping *entry;
    bool is_tracked = false;

    if (!segment)
        mapping_change_failed(change);
    for (unsigned word = 0; (entry = next_claimed(change, &word));)
        is_tracked |= cut(segment, entry, change, to, size);
    return is_tracked;
}

void mappings_forget(void)
{
    uint32_t count = atomic_load_explicit(&used, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        atomic_store_explicit(&mapping[i].start, FREE, memory_order_relaxed);
    atomic_store_explicit(&used, 0, memory_order_relaxed);
}
