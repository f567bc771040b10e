/* SPDX-License-Identifier: Apache-2.0 */
#include "map.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 256, TEXT_WORDS = 2 };

typedef bool same_key(const uint64_t *left, const uint64_t *right, unsigned words);

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_words(const uint64_t *key, unsigned words)
{
    uint64_t hash = words;

    for (unsigned i = 0; i < words; i++)
        hash = mix(hash, key[i]);
    return hash;
}

static bool same_words(const uint64_t *left, const uint64_t *right, unsigned words)
{
    return !memcmp(left, right, words * sizeof(*left));
}

static bool same_text(const uint64_t *left, const uint64_t *right, unsigned words)
{
    (void)words;
    return left[0] == right[0] &&
           !strcmp((const char *)(uintptr_t)left[1], (const char *)(uintptr_t)right[1]);
}

/* The bucket of an equal key, or the free one where it belongs. */
static uint32_t *find(const struct map *map, const uint64_t *key, uint64_t hash, same_key *same)
{
    size_t at = hash & (map->buckets - 1);

    while (map->bucket[at] && !same(map->key + (size_t)(map->bucket[at] - 1) * map->words, key, map->words))
        at = (at + 1) & (map->buckets - 1);
    return &map->bucket[at];
}

static bool never_same(const uint64_t *left, const uint64_t *right, unsigned words)
{
    (void)left, (void)right, (void)words;
    return false;
}

static uint64_t hash_of(const struct map *map, const uint64_t *key, same_key *same)
{
    return same == same_text ? key[0] : hash_words(key, map->words);
}

static bool grow_buckets(struct map *map, same_key *same)
{
    size_t buckets = map->buckets ? 2 * map->buckets : FIRST_BUCKETS;
    uint32_t *bucket = calloc(buckets, sizeof(*bucket));

    if (!bucket)
        return false;
    free(map->bucket);
    map->bucket = bucket;
    map->buckets = buckets;
    for (uint32_t i = 0; i < map->used; i++) {
        const uint64_t *key = map->key + (size_t)i * map->words;
        *find(map, key, hash_of(map, key, same), never_same) = i + 1;
    }
    return true;
}

static bool grow_keys(struct map *map)
{
    size_t room = map->room ? map->room + map->room / 2 : FIRST_BUCKETS / 2;
    uint64_t *key = realloc(map->key, room * map->words * sizeof(*key));

    if (!key)
        return false;
    map->key = key;
    map->room = room;
    return true;
}

static uint32_t number(struct map *map, const uint64_t *key, same_key *same, bool *added)
{
    uint32_t *bucket;

    if (added)
        *added = false;
    if (map->used * UINT64_C(2) >= map->buckets && !grow_buckets(map, same))
        return 0;
    bucket = find(map, key, hash_of(map, key, same), same);
    if (*bucket)
        return *bucket;
    if (map->used == map->room && !grow_keys(map))
        return 0;
    memcpy(map->key + (size_t)map->used * map->words, key, map->words * sizeof(*key));
    *bucket = ++map->used;
    if (added)
        *added = true;
    return *bucket;
}

uint32_t map_number(struct map *map, const uint64_t *key, bool *added)
{
    return number(map, key, same_words, added);
}

void map_free(struct map *map)
{
    free(map->key);
    free(map->bucket);
    *map = (struct map){.words = map->words};
}

static void text_key(const char *text, uint64_t key[TEXT_WORDS])
{
    key[0] = 0;
    key[1] = (uintptr_t)text;
    for (const char *c = text; *c; c++)
        key[0] = mix(key[0], (uint8_t)*c);
}

uint32_t text_map_number(struct text_map *map, const char *text, bool *added)
{
    uint64_t key[TEXT_WORDS];

    text_key(text, key);
    map->hashes.words = TEXT_WORDS;
    return number(&map->hashes, key, same_text, added);
}

uint32_t text_map_find(const struct text_map *map, const char *text)
{
    uint64_t key[TEXT_WORDS];

    text_key(text, key);
    return map->hashes.buckets ? *find(&map->hashes, key, key[0], same_text) : 0;
}

const char *text_map_text(const struct text_map *map, uint32_t text)
{
    return (const char *)(uintptr_t)map->hashes.key[(size_t)(text - 1) * TEXT_WORDS + 1];
}

void text_map_free(struct text_map *map)
{
    map_free(&map->hashes);
}
