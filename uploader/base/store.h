/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is never given back before the end, and strings that are kept once. One thread only. */
#ifndef CPROF_UPLOADER_SYMBOLS_STORE_H
#define CPROF_UPLOADER_SYMBOLS_STORE_H

#include <stddef.h>
#include <stdint.h>

struct store_chunk;
struct store {
    struct store_chunk *chunk;
    const char **text; /* open addressing, a power of two */
    size_t text_slots, text_count;
    size_t bytes; /* of all chunks */
};

/* 8-aligned, zeroed; NULL without memory. Lives until store_free(). */
void *store_alloc(struct store *store, size_t size);

/* A NUL-terminated copy; the same bytes are the same pointer. Without memory: "". */
const char *store_text(struct store *store, const char *text, size_t length);

void store_free(struct store *store);

uint64_t store_hash(const void *data, size_t size);

#endif
