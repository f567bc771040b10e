/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_SIZE = 64 * 1024 };

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

static const char *find_text(const struct store *store, uint64_t hash, const char *text, size_t length)
{
    const char *found;

    for (size_t cursor = 0; (found = hash_next(&store->texts, hash, &cursor));)
        if (strncmp(found, text, length) == 0 && found[length] == '\0')
            break;
    return found;
}

const char *store_text(struct store *store, const char *text, size_t length)
{
    const char *found;
    uint64_t hash;
    char *copy;

    length = strnlen(text, length);
    hash = hash_bytes(text, length);
    found = find_text(store, hash, text, length);
    if (found)
        return found;
    copy = store_alloc(store, length + 1);
    if (!copy)
        return "";
    memcpy(copy, text, length);
    return hash_add(&store->texts, hash, copy) ? "" : copy;
}

void store_free(struct store *store)
{
    while (store->chunk) {
        struct store_chunk *next = store->chunk->next;
        free(store->chunk);
        store->chunk = next;
    }
    hash_free(&store->texts);
    *store = (struct store){0};
}
