/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash table of the uploader. It uses open addressing and keeps the hash of each value. The caller hashes
 * keys and compares them. A key of 64 bits needs no comparison, because hash_get() and its siblings hash keys
 * one to one. Values are pointers, or numbers cast to pointers, and never NULL. One thread only.
 */
#ifndef CPROF_UPLOADER_HASH_H
#define CPROF_UPLOADER_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_slot {
    uint64_t hash;
    void *value; /* NULL: free */
};

/* Zero is an empty table. */
struct hash {
    struct hash_slot *slot;
    size_t room, used; /* room: 0 or a power of two */
};

/* The values with this hash, one at each call; *cursor is 0 at the first one. NULL: there are no more. */
void *hash_next(const struct hash *table, uint64_t hash, size_t *cursor);

/* Adds a value, also where there are others with this hash. 0 or -ENOMEM. */
int hash_add(struct hash *table, uint64_t hash, void *value);

/* Removes this value, if it is there. */
void hash_remove(struct hash *table, uint64_t hash, const void *value);

/* Removes each value for which keep() is false. keep() is called once per value, and may free it. */
void hash_sweep(struct hash *table, bool (*keep)(void *value, void *context), void *context);

/* All values, one at each call; *cursor is 0 at the first one. NULL: there are no more. */
void *hash_each(const struct hash *table, size_t *cursor);

void hash_free(struct hash *table);

/* Tables by a key of 64 bits. NULL: the key is not there. */
void *hash_get(const struct hash *table, uint64_t key);

/* Replaces what was there. 0 or -ENOMEM. */
int hash_put(struct hash *table, uint64_t key, void *value);

/* Removes and returns the key's value. */
void *hash_take(struct hash *table, uint64_t key);

/* Adds a word to a hash, which may begin with any number. */
static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

uint64_t hash_bytes(const void *data, size_t size);

#endif
