/* SPDX-License-Identifier: Apache-2.0 */
#include "unnamed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/ids.h"

static const double least = 0.001; /* less is not worth a line */

struct sums {
    struct ids modules; /* struct elf_module */
    int64_t *sum;       /* of number n at n - 1 */
    size_t room;
    int64_t total, unnamed;
};

/* Waits and allocations have the function that was called as the leaf, so what is looked at is the first frame that is in a
   module. */
static const struct symbol_location *innermost(const struct profile_sample *sample)
{
    const struct profile_frame *frame = sample->stack;

    while (frame && !frame->location->module)
        frame = frame->caller;
    return frame ? frame->location : NULL;
}

static bool add_sample(struct sums *sums, const struct profile_sample *sample, unsigned value)
{
    const struct symbol_location *location = innermost(sample);
    uint32_t number;
    uint64_t key;

    sums->total += sample->value[value];
    if (!location || !location->unnamed)
        return true;
    key = (uintptr_t)location->module;
    number = ids_get(&sums->modules, &key, NULL);
    int64_t *grown = number ? realloc(sums->sum, sums->modules.used * sizeof *grown) : NULL;
    if (!grown)
        return false;
    sums->sum = grown;
    if (sums->room < sums->modules.used)
        grown[sums->room++] = 0;
    grown[number - 1] += sample->value[value];
    sums->unnamed += sample->value[value];
    return true;
}

static int by_share(const void *left, const void *right)
{
    const struct unnamed_module *a = left, *b = right;

    return (a->share < b->share) - (a->share > b->share);
}

/* The largest come first; further ones are counted. */
static void take_largest(const struct sums *sums, struct unnamed *unnamed)
{
    for (uint32_t i = 0; i < sums->modules.used; i++) {
        struct unnamed_module one = {(const struct elf_module *)(uintptr_t)sums->modules.key[i],
                                     (double)sums->sum[i] / (double)sums->total};
        struct unnamed_module *last = &unnamed->module[UNNAMED_MODULES - 1];
        if (one.share < least)
            continue;
        if (unnamed->count < UNNAMED_MODULES) {
            unnamed->module[unnamed->count++] = one;
        } else {
            unnamed->others++;
            if (one.share > last->share)
                *last = one;
        }
        qsort(unnamed->module, unnamed->count, sizeof one, by_share);
    }
}

static const struct profile *choose(struct profile *const profile[KIND_IDS], enum profile_kind_id *kind)
{
    for (int k = 0; k < KIND_IDS; k++) {
        if (!profile[k] || !profile_total(profile[k], profile_kinds[k].default_value))
            continue;
        *kind = (enum profile_kind_id)k;
        return profile[k];
    }
    return NULL;
}

bool unnamed_find(struct profile *const profile[KIND_IDS], struct unnamed *unnamed)
{
    const struct profile_sample *sample;
    struct sums sums = {.modules.words = 1};
    size_t cursor = 0;
    bool ok = true;

    *unnamed = (struct unnamed){.share = 0};
    const struct profile *chosen = choose(profile, &unnamed->kind);
    while (chosen && ok && (sample = profile_next(chosen, &cursor)))
        ok = add_sample(&sums, sample, profile_kinds[unnamed->kind].default_value);
    if (ok && sums.total > 0) {
        take_largest(&sums, unnamed);
        unnamed->share = (double)sums.unnamed / (double)sums.total;
    }
    ids_free(&sums.modules);
    free(sums.sum);
    return unnamed->count > 0;
}

void unnamed_text(const struct unnamed_module *one, char text[UNNAMED_TEXT])
{
    const struct elf_module *module = one->module;

    snprintf(text, UNNAMED_TEXT, "%.60s %.1f %%%s%.60s%s", module->name, 100 * one->share,
             module->package ? " (" : "", module->package ? module->package : "", module->package ? ")" : "");
}
