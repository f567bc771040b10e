/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once, and texts that are kept once. One thread only. */
#ifndef CPROF_UPLOADER_STORE_H
#define CPROF_UPLOADER_STORE_H

#include "hash.h"

struct store_chunk;
struct store {
    struct store_chunk *chunk;
    struct hash texts;
    size_t bytes; /* of all chunks */
};

/* 8-aligned, zeroed; NULL without memory. Lives until store_free(). */
void *store_alloc(struct store *store, size_t size);

/* A NUL-terminated copy; the same bytes are the same pointer. Without memory: "". */
const char *store_text(struct store *store, const char *text, size_t length);

void store_free(struct store *store);

#endif
