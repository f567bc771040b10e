/* SPDX-License-Identifier: Apache-2.0 */
#include "label_sets.h"

#include <string.h>
#include <sys/mman.h>

#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/base/weights.h"
#include "sampler/process/process.h"

#include "sampler/base/poison.h"

enum { PROBES = 64 };

struct label_sets *_Atomic label_sets;

/* Set number `number` of this text. Nobody knows the number yet. */
static void write_set(struct label_sets *sets, uint32_t number, uint32_t offset, const char *text,
                      size_t size, uint64_t hash)
{
    struct seg_label_set *set = &sets->set[number];

    memcpy(&sets->text_of[offset], text, size);
    atomic_store_explicit(&set->offset, offset, memory_order_relaxed);
    atomic_store_explicit(&set->size, (uint32_t)size, memory_order_relaxed);
    atomic_store_explicit(&set->ready, (uint32_t)hash | 1, memory_order_release);
}

static uint64_t hash_set(const struct label_sets *sets, const char *text, size_t size)
{
    return label_hash(sets->seed, (struct label_text){text, size});
}

bool label_sets_start(void)
{
    static const char other[] = "labels\0" LABEL_OTHER;
    struct label_sets *sets = atomic_load_explicit(&label_sets, memory_order_acquire), *none = NULL;
    long at;

    if (__builtin_expect(sets != NULL, 1))
        return true;
    if (!seccomp_allows(CALL(map) | CALL(unmap)))
        return false;
    at = sys_call(SYS_mmap, 0, sizeof *sets, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at <= 0)
        return false;
    sets = (struct label_sets *)at;
    sets->seed = random_bits();
    write_set(sets, LABELS_OTHER, 0, other, sizeof other, hash_set(sets, other, sizeof other));
    sets->sets = LABELS_OTHER + 1;
    sets->text = sizeof other;
    /* Release: who sees the pointer sees the seed and the first set. */
    if (!atomic_compare_exchange_strong_explicit(&label_sets, &none, sets, memory_order_release,
                                                 memory_order_relaxed))
        sys_call(SYS_munmap, at, sizeof *sets);
    return true;
}

static struct label_sets *all(void)
{
    return atomic_load_explicit(&label_sets, memory_order_acquire);
}

bool label_set_exists(uint32_t set)
{
    struct label_sets *sets = all();
    return set == LABELS_NONE || (sets && set < LAYOUT_LABEL_SETS &&
                                  atomic_load_explicit(&sets->set[set].ready, memory_order_acquire));
}

/* Release: a thread that finds the set by its number here finds it complete. Pairs with label_set_find() and
   label_sets_kept(). */
void label_sets_keep(uint64_t hash, uint32_t set)
{
    struct label_sets *sets = all();
    if (sets)
        atomic_store_explicit(&sets->change[hash >> 51], (hash & ~(uint64_t)(LAYOUT_LABEL_SETS - 1)) | set,
                              memory_order_release);
}

uint32_t label_sets_kept(uint64_t hash)
{
    struct label_sets *sets = all();
    uint64_t known = sets ? atomic_load_explicit(&sets->change[hash >> 51], memory_order_acquire) : ~hash;
    return ((known ^ hash) & ~(uint64_t)(LAYOUT_LABEL_SETS - 1)) ? UINT32_MAX
                                                                 : (uint32_t)known % LAYOUT_LABEL_SETS;
}

/* Adds n to *used, unless it would pass `most`. The old value, or UINT32_MAX. */
static uint32_t claim(_Atomic uint32_t *used, uint32_t n, uint32_t most)
{
    uint32_t before = atomic_load_explicit(used, memory_order_relaxed);

    do {
        if (before + n > most)
            return UINT32_MAX;
    } while (!atomic_compare_exchange_weak_explicit(used, &before, before + n, memory_order_relaxed,
                                                    memory_order_relaxed));
    return before;
}

static bool is_same(const struct label_sets *sets, uint32_t number, const char *text, size_t size,
                    uint64_t hash)
{
    const struct seg_label_set *set = &sets->set[number];
    return atomic_load_explicit(&set->ready, memory_order_acquire) == ((uint32_t)hash | 1) &&
           set->size == size && !memcmp(&sets->text_of[set->offset], text, size);
}

/* The number of the set with this text, which is made if there is none and room. UINT32_MAX: there is no room. */
static uint32_t intern(const char *text, size_t size, bool is_other)
{
    struct label_sets *sets = all();
    uint64_t hash = hash_set(sets, text, size);
    uint32_t mine = 0, offset;

    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic uint32_t *bucket = &sets->bucket[((hash >> 32) + i) % LABEL_BUCKETS];
        uint32_t number = atomic_load_explicit(bucket, memory_order_acquire);
        if (!number) {
            if (!mine) {
                offset = claim(&sets->text, (uint32_t)size, is_other ? LAYOUT_LABEL_TEXT : LABEL_TEXT_MOST);
                mine = offset == UINT32_MAX
                           ? UINT32_MAX
                           : claim(&sets->sets, 1, is_other ? LAYOUT_LABEL_SETS : LABEL_SETS_MOST);
                if (mine == UINT32_MAX)
                    return mine;
                write_set(sets, mine, offset, text, size, hash);
            }
            /* Release: a thread that finds the number finds the set complete. The loser's set stays unused. */
            if (atomic_compare_exchange_strong_explicit(bucket, &number, mine, memory_order_release,
                                                        memory_order_acquire))
                return mine;
        }
        if (is_same(sets, number, text, size, hash))
            return number;
    }
    return UINT32_MAX;
}

/* Less than, equal to or more than 0, as the key of the label at `at` is to this one. */
static int compare_key(const char *at, struct label_text key)
{
    int order = strncmp(at, key.at, key.size);
    return order || !at[key.size] ? order : 1;
}

static const char *next_label(const char *at)
{
    at += strlen(at) + 1;
    return at + strlen(at) + 1;
}

static size_t put(char *to, const char *from, size_t size)
{
    memcpy(to, from, size);
    return size;
}

static size_t put_text(char *to, struct label_text text)
{
    memcpy(to, text.at, text.size);
    to[text.size] = 0;
    return text.size + 1;
}

/* Writes the text of the set with key set to value, or (value.at NULL) without it. Its size; UINT32_MAX: it would be too
   long or have too many labels. */
static size_t make(uint32_t number, struct label_text key, struct label_text value, char *to)
{
    const struct label_sets *sets = all();
    const struct seg_label_set *set = &sets->set[number];
    /* What LABELS_OTHER stands for is not known, so it counts as no label. */
    size_t before = number == LABELS_OTHER ? 0 : set->size, size = 0;
    const char *at = &sets->text_of[set->offset], *end = at + before, *next;
    unsigned labels = 0;
    bool is_put = !value.at;

    if (before + key.size + value.size + 2 > LABEL_SET_BYTES)
        return UINT32_MAX;
    for (; at < end; at = next, labels++) {
        int order = compare_key(at, key);
        next = next_label(at);
        if (order >= 0 && !is_put) {
            size += put_text(to + size, key);
            size += put_text(to + size, value);
            is_put = true;
            labels += order > 0;
        }
        if (order)
            size += put(to + size, at, (size_t)(next - at));
    }
    if (!is_put) {
        size += put_text(to + size, key);
        size += put_text(to + size, value);
        labels++;
    }
    return labels > LABEL_SET_MOST ? UINT32_MAX : size;
}

static uint32_t change(uint32_t set, struct label_text key, struct label_text value, char *scratch)
{
    static const struct label_text other = {LABEL_OTHER, sizeof LABEL_OTHER - 1};
    size_t size = make(set, key, value, scratch);
    uint32_t changed = size == UINT32_MAX ? set : size ? intern(scratch, size, false) : LABELS_NONE;

    if (size == UINT32_MAX)
        process_count(COUNT_LABELS_CUT, 1);
    if (changed != UINT32_MAX)
        return changed;
    process_count(COUNT_LABELS_OTHER, 1);
    if (value.at) {
        size = make(set, key, other, scratch);
        changed = size == UINT32_MAX ? UINT32_MAX : intern(scratch, size, true);
    } else {
        changed = intern(scratch, size, true); /* it has less labels than one that there is */
    }
    return changed == UINT32_MAX ? LABELS_OTHER : changed;
}

uint32_t label_set_change(uint32_t set, struct label_text key, struct label_text value, char *scratch)
{
    uint32_t changed;

    if ((!value.at && set <= LABELS_OTHER) || set >= LAYOUT_LABEL_SETS || !label_sets_start())
        return set % LAYOUT_LABEL_SETS;
    changed = change(set, key, value, scratch);
    label_sets_keep(label_change_hash(all(), set, key, value), changed);
    return changed;
}

/* Two threads may write the same bytes at once, so they do it by atomic stores. */
void label_set_write(struct segment *segment, uint32_t number)
{
    const struct label_sets *sets = all();
    const struct seg_label_set *from = sets ? &sets->set[number] : NULL;
    struct seg_label_set *to = &segment->label_set[number];

    if (!from || !atomic_load_explicit(&from->ready, memory_order_acquire))
        return;
    for (uint32_t i = 0; i < from->size; i++)
        atomic_store_explicit(&segment->label_text[from->offset + i], sets->text_of[from->offset + i],
                              memory_order_relaxed);
    atomic_store_explicit(&to->offset, from->offset, memory_order_relaxed);
    atomic_store_explicit(&to->size, from->size, memory_order_relaxed);
    /* Pairs with the uploader's acquire before it reads them. */
    atomic_store_explicit(&to->ready, 1, memory_order_release);
}
