/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers things in the order in which they are met: keys of some 64-bit words, or texts. One thread only. */
#ifndef CPROF_UPLOADER_MAP_H
#define CPROF_UPLOADER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero is an empty map, but for words: 64-bit words in a key. key[] holds `used` keys, that of number n at n
 * - 1. */
struct map {
    unsigned words;
    uint32_t used;
    uint64_t *key;
    size_t room;
    uint32_t *bucket;
    size_t buckets;
};

/* The key's number, 1, 2, 3 ...; *added (may be NULL) tells that it is new. 0: out of memory. */
uint32_t map_number(struct map *map, const uint64_t *key, bool *added);
void map_free(struct map *map);

/* The same with texts, compared by content. They are borrowed, and must stay as they are. Zero is an empty
 * map. */
struct text_map {
    struct map hashes; /* two words: hash, address of the text */
};
uint32_t text_map_number(struct text_map *map, const char *text, bool *added);
/* 0: it is not there. */
uint32_t text_map_find(const struct text_map *map, const char *text);
const char *text_map_text(const struct text_map *map, uint32_t number);
void text_map_free(struct text_map *map);

#endif
