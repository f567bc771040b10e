/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of the items of an array, by a hash of their keys. The array itself holds the keys, so that a slot takes
 * eight bytes: the tables of a profile have millions. Open addressing. One thread only.
 */
#ifndef CPROF_ANALYSIS_INDEX_H
#define CPROF_ANALYSIS_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index_slot {
    uint32_t item; /* its number + 1; 0: free */
    uint32_t hash;
};

/* Zero is empty. */
struct index {
    struct index_slot *slot;
    size_t room, used; /* room: 0 or a power of two */
};

/* Items with this hash, one at each call, as their number + 1; *cursor is 0 at the first one. 0: there are no more. */
static inline uint32_t index_next(const struct index *index, uint32_t hash, size_t *cursor)
{
    size_t mask = index->room - 1;

    for (; *cursor < index->room; ++*cursor) {
        const struct index_slot *slot = &index->slot[(hash + *cursor) & mask];
        if (!slot->item)
            return 0;
        if (slot->hash == hash) {
            ++*cursor;
            return slot->item;
        }
    }
    return 0;
}

/* 0 or -ENOMEM. */
int index_add(struct index *index, uint32_t hash, uint32_t number);
void index_free(struct index *index);

#endif
