/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sets of labels that the threads of this process have had. A set has a number, which stays its own: in every
 * segment of the process, and in forked children. So a thread's labels are one number, and setting one is a look-up
 * of (set, key, value).
 *
 * The sets are in private memory, made when the first label is set, and are never changed or removed. What refers to
 * a set in a segment has it entered there first, by label_set_enter().
 *
 * Bounded: LABEL_SETS_MOST sets. Beyond them the value of a new label is LABEL_OTHER, for which there is some more
 * room. Lock-free, signal-safe, any thread.
 */
#ifndef CPROF_SAMPLER_LABEL_SETS_H
#define CPROF_SAMPLER_LABEL_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

enum {
    LABEL_SETS_MOST = 1536,       /* the rest of LAYOUT_LABEL_SETS is for sets with LABEL_OTHER */
    LABEL_TEXT_MOST = 192 * 1024, /* and so of LAYOUT_LABEL_TEXT */
    LABEL_CHANGES = 8192,         /* power of two: the last changes of sets are kept */
    LABEL_BUCKETS = 2 * LAYOUT_LABEL_SETS,
};

struct label_sets {
    _Atomic uint32_t sets, text;                 /* used; may run past what there is when full */
    uint64_t seed;                               /* of hashes: nobody outside can make two that are equal */
    _Atomic uint64_t change[LABEL_CHANGES];      /* hash of (set, key, value) | the set that it leads to */
    _Atomic uint32_t bucket[LABEL_BUCKETS];      /* number of a set; 0: free */
    struct seg_label_set set[LAYOUT_LABEL_SETS]; /* as in the segment; ready is its hash | 1 */
    char text_of[LAYOUT_LABEL_TEXT];
};
extern struct label_sets *_Atomic label_sets
    __attribute__((visibility("hidden"))); /* NULL: no label was set */

/* A text of the caller's, not NUL-terminated, of at most LABEL_KEY_MOST or LABEL_VALUE_MOST bytes. */
struct label_text {
    const char *at;
    size_t size;
};

/* A hash whose lower bits, which a set's number takes in label_sets.change[], are 0. */
static inline uint64_t label_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t label_word(const char *at, size_t size)
{
    uint64_t word = 0;
    uint32_t low, high;

    if (size >= 8) {
        __builtin_memcpy(&word, at, 8);
    } else if (size >= 4) {
        __builtin_memcpy(&low, at, 4);
        __builtin_memcpy(&high, at + size - 4, 4);
        word = (uint64_t)high << 32 | low;
    } else if (size) {
        word = (uint64_t)(uint8_t)at[0] | (uint64_t)(uint8_t)at[size / 2] << 8 |
               (uint64_t)(uint8_t)at[size - 1] << 16;
    }
    return word;
}

static inline uint64_t label_hash(uint64_t hash, struct label_text text)
{
    size_t left = text.size;
    const char *at = text.at;

    hash ^= text.size;
    for (; left > 8; left -= 8, at += 8)
        hash = label_mix(hash ^ label_word(at, 8), UINT64_C(0x9fb21c651e98df25));
    /* The last word may begin before `at`: then it has bytes that were hashed already. */
    if (text.size > 8)
        at = text.at + text.size - 8, left = 8;
    return label_mix(hash ^ label_word(at, left), UINT64_C(0xe7037ed1a0b428db));
}

/* A change of a set. value.at NULL: the label is taken away. */
static inline uint64_t label_change_hash(const struct label_sets *sets, uint32_t set, struct label_text key,
                                         struct label_text value)
{
    struct label_text text = value.at ? value : (struct label_text){"", 0};
    uint64_t from = value.at ? set : set + LAYOUT_LABEL_SETS;
    return label_hash(label_hash(sets->seed ^ from * UINT64_C(0x9e3779b97f4a7c15), key), text);
}

/* The set that `set` is with the label, or without it, from the last changes; UINT32_MAX: label_set_change() has to be
   asked. */
static inline uint32_t label_set_find(uint32_t set, struct label_text key, struct label_text value)
{
    struct label_sets *sets = atomic_load_explicit(&label_sets, memory_order_acquire);
    uint64_t hash, known;

    if (__builtin_expect(!sets, 0))
        return UINT32_MAX;
    hash = label_change_hash(sets, set, key, value);
    /* Pairs with the release in label_sets_keep(): the set is complete. */
    known = atomic_load_explicit(&sets->change[hash >> 51], memory_order_acquire);
    return ((known ^ hash) & ~(uint64_t)(LAYOUT_LABEL_SETS - 1)) ? UINT32_MAX
                                                                 : (uint32_t)known % LAYOUT_LABEL_SETS;
}
_Static_assert((int)LABEL_CHANGES == 1 << (64 - 51), "label_set_find() takes the upper bits");

/* The same for every change; it counts what was left out. scratch: LABEL_SET_BYTES. */
uint32_t label_set_change(uint32_t set, struct label_text key, struct label_text value, char *scratch);

/* What was found out about a hash is kept: the set that it leads to. */
void label_sets_keep(uint64_t hash, uint32_t set);
uint32_t label_sets_kept(uint64_t hash); /* UINT32_MAX: nothing, or no longer */

/* What hashes begin with; 0 before label_sets_start(). */
static inline uint64_t label_sets_seed(void)
{
    struct label_sets *sets = atomic_load_explicit(&label_sets, memory_order_acquire);
    return sets ? sets->seed : 0;
}

/* There is such a set. */
bool label_set_exists(uint32_t set);

/* Makes label_sets[] if there are none; false: it cannot be. */
bool label_sets_start(void);

/* The segment has the set from now on. */
void label_set_write(struct segment *segment, uint32_t set);
static inline void label_set_enter(struct segment *segment, uint32_t set)
{
    if (__builtin_expect(set != LABELS_NONE, 0) && set < LAYOUT_LABEL_SETS &&
        !atomic_load_explicit(&segment->label_set[set].ready, memory_order_relaxed))
        label_set_write(segment, set);
}

#endif
