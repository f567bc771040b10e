/* SPDX-License-Identifier: Apache-2.0 */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { LEAST_ROOM = 64, LARGE_ROOM = 1 << 18 };

/* Large ones are hit at random all over, so they are asked for in large pages. */
static struct index_slot *slots_new(size_t room)
{
    void *pages;

    if (room < LARGE_ROOM)
        return calloc(room, sizeof(struct index_slot));
    pages = mmap(NULL, room * sizeof(struct index_slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    madvise(pages, room * sizeof(struct index_slot), MADV_HUGEPAGE);
    return pages;
}

static void slots_free(struct index_slot *slot, size_t room)
{
    if (room < LARGE_ROOM)
        free(slot);
    else
        munmap(slot, room * sizeof *slot);
}

static void put(struct index_slot *slot, size_t room, struct index_slot what)
{
    size_t at = what.hash & (room - 1);

    while (slot[at].item)
        at = (at + 1) & (room - 1);
    slot[at] = what;
}

static int grow(struct index *index)
{
    size_t room = index->room ? 2 * index->room : LEAST_ROOM;
    struct index_slot *slot = slots_new(room);

    if (!slot)
        return -ENOMEM;
    for (size_t i = 0; i < index->room; i++)
        if (index->slot[i].item)
            put(slot, room, index->slot[i]);
    slots_free(index->slot, index->room);
    index->slot = slot;
    index->room = room;
    return 0;
}

int index_add(struct index *index, uint32_t hash, uint32_t number)
{
    if (4 * (index->used + 1) > 3 * index->room) {
        int error = grow(index);
        if (error)
            return error;
    }
    put(index->slot, index->room, (struct index_slot){.item = number + 1, .hash = hash});
    index->used++;
    return 0;
}

void index_free(struct index *index)
{
    slots_free(index->slot, index->room);
    *index = (struct index){.slot = NULL};
}
