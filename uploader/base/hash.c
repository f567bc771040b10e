/* SPDX-License-Identifier: Apache-2.0 */
#include "hash.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_ROOM = 16 };

static struct hash_slot *slot_at(const struct hash *table, uint64_t at)
{
    return &table->slot[at & (table->room - 1)];
}

void *hash_next(const struct hash *table, uint64_t hash, size_t *cursor)
{
    while (table->room) {
        const struct hash_slot *slot = slot_at(table, hash + (*cursor)++);
        if (!slot->value || slot->hash == hash)
            return slot->value;
    }
    return NULL;
}

static void insert(struct hash *table, uint64_t hash, void *value)
{
    uint64_t at = hash;

    while (slot_at(table, at)->value)
        at++;
    *slot_at(table, at) = (struct hash_slot){hash, value};
}

static bool grow(struct hash *table)
{
    struct hash larger = {.room = table->room ? 2 * table->room : FIRST_ROOM, .used = table->used};

    larger.slot = calloc(larger.room, sizeof *larger.slot);
    if (!larger.slot)
        return false;
    for (size_t i = 0; i < table->room; i++)
        if (table->slot[i].value)
            insert(&larger, table->slot[i].hash, table->slot[i].value);
    free(table->slot);
    *table = larger;
    return true;
}

int hash_add(struct hash *table, uint64_t hash, void *value)
{
    if (4 * (table->used + 1) > 3 * table->room && !grow(table))
        return -ENOMEM;
    insert(table, hash, value);
    table->used++;
    return 0;
}

/* A search ends at the first free slot. So entries behind the freed slot move into it, unless their own
   search begins behind it. */
static void close_gap(struct hash *table, uint64_t gap)
{
    const uint64_t mask = table->room - 1;

    for (uint64_t at = gap + 1; slot_at(table, at)->value; at++) {
        struct hash_slot *slot = slot_at(table, at);
        if (((at - slot->hash) & mask) < ((at - gap) & mask))
            continue;
        *slot_at(table, gap) = *slot;
        slot->value = NULL;
        gap = at;
    }
}

static void remove_at(struct hash *table, uint64_t at)
{
    slot_at(table, at)->value = NULL;
    table->used--;
    close_gap(table, at);
}

void hash_remove(struct hash *table, uint64_t hash, const void *value)
{
    size_t cursor = 0;
    const void *found;

    while ((found = hash_next(table, hash, &cursor)) && found != value)
        ;
    if (found)
        remove_at(table, hash + cursor - 1);
}

/* The sweep begins behind a free slot. No entry moves over a free slot, so each value is asked once. */
void hash_sweep(struct hash *table, bool (*keep)(void *value, void *context), void *context)
{
    uint64_t start = 0;

    while (table->room && slot_at(table, start)->value)
        start++;
    for (uint64_t at = start + 1; at < start + table->room;) {
        void *value = slot_at(table, at)->value;
        /* The entry that moves into the freed slot comes from behind it, and is asked next. */
        if (value && !keep(value, context))
            remove_at(table, at);
        else
            at++;
    }
}

void *hash_each(const struct hash *table, size_t *cursor)
{
    while (*cursor < table->room) {
        void *value = table->slot[(*cursor)++].value;
        if (value)
            return value;
    }
    return NULL;
}

void hash_free(struct hash *table)
{
    free(table->slot);
    *table = (struct hash){0};
}

/* One to one. */
static uint64_t hash_of_key(uint64_t key)
{
    uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

void *hash_get(const struct hash *table, uint64_t key)
{
    return hash_next(table, hash_of_key(key), &(size_t){0});
}

int hash_put(struct hash *table, uint64_t key, void *value)
{
    uint64_t hash = hash_of_key(key);
    size_t cursor = 0;

    if (!hash_next(table, hash, &cursor))
        return hash_add(table, hash, value);
    slot_at(table, hash + cursor - 1)->value = value;
    return 0;
}

void *hash_take(struct hash *table, uint64_t key)
{
    void *value = hash_get(table, key);

    if (value)
        hash_remove(table, hash_of_key(key), value);
    return value;
}

uint64_t hash_bytes(const void *data, size_t size)
{
    const unsigned char *byte = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}
