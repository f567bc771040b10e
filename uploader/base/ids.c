/* SPDX-License-Identifier: Apache-2.0 */
#include "ids.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"

static const uint64_t *key_at(const struct ids *ids, uint32_t number)
{
    return ids->key + (size_t)(number - 1) * ids->words;
}

static uint64_t hash_words(const uint64_t *key, unsigned words)
{
    uint64_t hash = words;

    for (unsigned i = 0; i < words; i++)
        hash = hash_mix(hash, key[i]);
    return hash;
}

static uint32_t add(struct ids *ids, uint64_t hash, const uint64_t *key, bool *added)
{
    uint64_t *grown = array_reserve(ids->key, &ids->room, ids->used, ids->words * sizeof *grown);

    if (!grown)
        return 0;
    ids->key = grown;
    if (hash_add(&ids->numbers, hash, (void *)(uintptr_t)(ids->used + 1)))
        return 0;
    memcpy(ids->key + (size_t)ids->used * ids->words, key, ids->words * sizeof *key);
    if (added)
        *added = true;
    return ++ids->used;
}

uint32_t ids_get(struct ids *ids, const uint64_t *key, bool *added)
{
    uint64_t hash = hash_words(key, ids->words);
    uint32_t number;

    for (size_t cursor = 0; (number = (uint32_t)(uintptr_t)hash_next(&ids->numbers, hash, &cursor));)
        if (!memcmp(key_at(ids, number), key, ids->words * sizeof *key))
            break;
    if (added)
        *added = false;
    return number ? number : add(ids, hash, key, added);
}

void ids_free(struct ids *ids)
{
    free(ids->key);
    hash_free(&ids->numbers);
    *ids = (struct ids){.words = ids->words};
}

static uint32_t find_text(const struct text_ids *texts, const char *text, uint64_t hash)
{
    uint32_t number;

    for (size_t cursor = 0; (number = (uint32_t)(uintptr_t)hash_next(&texts->ids.numbers, hash, &cursor));)
        if (!strcmp(text_ids_text(texts, number), text))
            break;
    return number;
}

uint32_t text_ids_find(const struct text_ids *texts, const char *text)
{
    return find_text(texts, text, hash_bytes(text, strlen(text)));
}

uint32_t text_ids_get(struct text_ids *texts, const char *text, bool *added)
{
    uint64_t hash = hash_bytes(text, strlen(text));
    uint32_t number = find_text(texts, text, hash);

    texts->ids.words = 1;
    if (added)
        *added = false;
    return number ? number : add(&texts->ids, hash, &(uint64_t){(uintptr_t)text}, added);
}

const char *text_ids_text(const struct text_ids *texts, uint32_t number)
{
    return (const char *)(uintptr_t)*key_at(&texts->ids, number);
}

void text_ids_free(struct text_ids *texts)
{
    ids_free(&texts->ids);
}
