/* SPDX-License-Identifier: Apache-2.0 */
#include "array.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 16 };

void *array_reserve(void *items, size_t *room, size_t count, size_t size)
{
    size_t wanted = count + count / 2 + FIRST_ROOM;
    char *grown;

    if (count < *room)
        return items;
    grown = realloc(items, wanted * size);
    if (!grown)
        return NULL;
    memset(grown + *room * size, 0, (wanted - *room) * size);
    *room = wanted;
    return grown;
}

void *array_fit(void *items, size_t *room, size_t count, size_t size)
{
    void *fitted = realloc(items, (count + 1) * size);

    if (!fitted)
        return items;
    *room = count + 1;
    return fitted;
}

size_t array_count_until(const void *items, size_t count, size_t size, uint64_t key)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t at;
        memcpy(&at, (const char *)items + middle * size, sizeof at);
        if (at <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
