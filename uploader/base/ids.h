/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interning: keys of some 64-bit words, or texts, are numbered 1, 2, 3 ... in the order in which they are
 * met. One thread only.
 */
#ifndef CPROF_UPLOADER_IDS_H
#define CPROF_UPLOADER_IDS_H

#include <stdbool.h>

#include "hash.h"

/* Zero is empty, but for words: 64-bit words in a key. key[] holds `used` keys, that of number n at n - 1. */
struct ids {
    unsigned words;
    uint32_t used;
    uint64_t *key;
    size_t room;
    struct hash numbers;
};

/* The key's number; *added (may be NULL) tells that it is new. 0: out of memory. */
uint32_t ids_get(struct ids *ids, const uint64_t *key, bool *added);
void ids_free(struct ids *ids);

/* The same with texts, compared by content. They are borrowed, and must stay as they are. Zero is empty. */
struct text_ids {
    struct ids ids; /* a key is the address of a text */
};
uint32_t text_ids_get(struct text_ids *texts, const char *text, bool *added);
/* 0: it is not there. */
uint32_t text_ids_find(const struct text_ids *texts, const char *text);
const char *text_ids_text(const struct text_ids *texts, uint32_t number);
void text_ids_free(struct text_ids *texts);

#endif
