/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_SIZE = 64 * 1024, FIRST_SLOTS = 1024 };

struct store_chunk {
    struct store_chunk *next;
    size_t used, size;
    _Alignas(8) char data[];
};

static struct store_chunk *chunk_new(size_t size)
{
    struct store_chunk *chunk = calloc(1, sizeof *chunk + size);
    if (chunk)
        chunk->size = size;
    return chunk;
}

void *store_alloc(struct store *store, size_t size)
{
    struct store_chunk *chunk = store->chunk;
    size = (size + 7) & ~(size_t)7;
    if (!chunk || chunk->size - chunk->used < size) {
        const size_t chunk_size = CHUNK_SIZE - sizeof *chunk;
        struct store_chunk *fresh = chunk_new(size > chunk_size ? size : chunk_size);
        if (!fresh)
            return NULL;
        fresh->next = chunk;
        store->bytes += sizeof *fresh + fresh->size;
        store->chunk = chunk = fresh;
    }
    void *block = chunk->data + chunk->used;
    chunk->used += size;
    return block;
}

uint64_t store_hash(const void *data, size_t size)
{
    const unsigned char *byte = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

static const char **text_slot(const struct store *store, const char *text, size_t length)
{
    size_t slot = store_hash(text, length) & (store->text_slots - 1);
    for (;; slot = (slot + 1) & (store->text_slots - 1)) {
        const char *found = store->text[slot];
        if (!found || (strncmp(found, text, length) == 0 && found[length] == '\0'))
            return &store->text[slot];
    }
}

static int texts_grow(struct store *store)
{
    struct store bigger = {.text_slots = store->text_slots ? store->text_slots * 2 : FIRST_SLOTS};
    bigger.text = calloc(bigger.text_slots, sizeof *bigger.text);
    if (!bigger.text)
        return -1;
    for (size_t i = 0; i < store->text_slots; i++)
        if (store->text[i])
            *text_slot(&bigger, store->text[i], strlen(store->text[i])) = store->text[i];
    free(store->text);
    store->text = bigger.text;
    store->text_slots = bigger.text_slots;
    return 0;
}

const char *store_text(struct store *store, const char *text, size_t length)
{
    length = strnlen(text, length);
    if (store->text_count * 2 >= store->text_slots && texts_grow(store) < 0)
        return "";
    const char **slot = text_slot(store, text, length);
    if (*slot)
        return *slot;
    char *copy = store_alloc(store, length + 1);
    if (!copy)
        return "";
    memcpy(copy, text, length);
    store->text_count++;
    return *slot = copy;
}

void store_free(struct store *store)
{
    while (store->chunk) {
        struct store_chunk *next = store->chunk->next;
        free(store->chunk);
        store->chunk = next;
    }
    free(store->text);
    *store = (struct store){0};
}
