/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that grow, and a search in sorted ones. Any thread. */
#ifndef CPROF_UPLOADER_ARRAY_H
#define CPROF_UPLOADER_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/* Makes room for item number count, of size bytes. *room says for how many items there is room. New items are
   zero. Returns the array, which may have moved, or NULL without memory: then nothing has changed. */
void *array_reserve(void *items, size_t *room, size_t count, size_t size);

/* Gives back the room behind the first count items. Returns the array, which may have moved. */
void *array_fit(void *items, size_t *room, size_t count, size_t size);

/* How many items are at or below the key. Items begin with their 32-bit key and are sorted by it. */
size_t array_count_until(const void *items, size_t count, size_t size, uint64_t key);

#endif
