/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { FIRST_ROOM = 16 };

static size_t home_of(const struct table *table, uint64_t key)
{
    uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash ^ hash >> 32) & (table->room - 1);
}

static size_t after(const struct table *table, size_t at)
{
    return (at + 1) & (table->room - 1);
}

/* The entry of the key, or the free one where it belongs. The table has free entries. */
static size_t find(const struct table *table, uint64_t key)
{
    size_t at = home_of(table, key);

    while (table->entry[at].value && table->entry[at].key != key)
        at = after(table, at);
    return at;
}

static bool grow(struct table *table)
{
    struct table bigger = {.room = table->room ? 2 * table->room : FIRST_ROOM, .used = table->used};

    bigger.entry = calloc(bigger.room, sizeof(*bigger.entry));
    if (!bigger.entry)
        return false;
    for (size_t i = 0; i < table->room; i++)
        if (table->entry[i].value)
            bigger.entry[find(&bigger, table->entry[i].key)] = table->entry[i];
    free(table->entry);
    *table = bigger;
    return true;
}

void *table_get(const struct table *table, uint64_t key)
{
    return table->room ? table->entry[find(table, key)].value : NULL;
}

int table_put(struct table *table, uint64_t key, void *value)
{
    struct table_entry *entry;

    if (2 * (table->used + 1) > table->room && !grow(table))
        return -ENOMEM;
    entry = &table->entry[find(table, key)];
    table->used += !entry->value;
    *entry = (struct table_entry){key, value};
    return 0;
}

/* What stands behind the free entry moves into it, unless its search begins after it: a search ends at the
   first free one. */
static void close_gap(struct table *table, size_t gap)
{
    for (size_t at = after(table, gap); table->entry[at].value; at = after(table, at)) {
        size_t home = home_of(table, table->entry[at].key), mask = table->room - 1;
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        table->entry[gap] = table->entry[at];
        table->entry[at].value = NULL;
        gap = at;
    }
}

void *table_remove(struct table *table, uint64_t key)
{
    size_t at = table->room ? find(table, key) : 0;
    void *value = table->room ? table->entry[at].value : NULL;

    if (!value)
        return NULL;
    table->entry[at].value = NULL;
    table->used--;
    close_gap(table, at);
    return value;
}

void table_free(struct table *table)
{
    free(table->entry);
    *table = (struct table){0};
}
