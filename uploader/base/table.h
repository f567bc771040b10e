/* SPDX-License-Identifier: Apache-2.0 */
/* Finds things by a 64-bit key in constant time, and lets go of them again. One thread only. */
#ifndef CPROF_UPLOADER_TABLE_H
#define CPROF_UPLOADER_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_entry {
    uint64_t key;
    void *value; /* NULL: free */
};

/* Zero is an empty table. */
struct table {
    struct table_entry *entry; /* open addressing, a power of two */
    size_t room, used;
};

/* What was put under the key, or NULL. */
void *table_get(const struct table *table, uint64_t key);

/* value is not NULL, and replaces what was under the key. 0 or -ENOMEM. */
int table_put(struct table *table, uint64_t key, void *value);

/* Returns what was under the key, or NULL. */
void *table_remove(struct table *table, uint64_t key);

void table_free(struct table *table);

#endif
