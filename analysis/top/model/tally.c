/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"

void tally_free(struct tally *tally)
{
    for (size_t i = 0; i < tally->rows; i++)
        free(tally->row[i]);
    free(tally->row);
    free(tally->total);
    hash_free(&tally->by_key);
    store_free(&tally->texts);
    *tally = (struct tally){0};
}

void tally_reset(struct tally *tally, enum profile_kind_id kind)
{
    tally_free(tally);
    tally->kind = kind;
}

void tally_turn(struct tally *tally)
{
    for (size_t i = 0; i < tally->rows; i++) {
        memset(tally->row[i]->now_own, 0, sizeof tally->row[i]->now_own);
        memset(tally->row[i]->now_cum, 0, sizeof tally->row[i]->now_cum);
    }
    for (size_t i = 0; i < tally->totals; i++)
        memset(tally->total[i].now, 0, sizeof tally->total[i].now);
}

static uint64_t key_of(unsigned program, const char *name, const char *module)
{
    uint64_t hash = hash_bytes(name, strlen(name));
    return hash_mix(hash_mix(hash, hash_bytes(module, strlen(module))), program);
}

static struct tally_row *new_row(struct tally *tally, uint64_t key, unsigned program,
                                 const struct read_function *function, const char *module)
{
    struct tally_row **rows = array_reserve(tally->row, &tally->room, tally->rows + 1, sizeof(void *));
    struct tally_row *row = calloc(1, sizeof *row);

    if (rows)
        tally->row = rows;
    if (!rows || !row || hash_add(&tally->by_key, key, row)) {
        free(row);
        return NULL;
    }
    row->program = program;
    row->name = store_text(&tally->texts, function->name, strlen(function->name));
    row->module = store_text(&tally->texts, module, strlen(module));
    row->file = store_text(&tally->texts, function->file, strlen(function->file));
    return rows[tally->rows++] = row;
}

/* Found or made. NULL: no memory. */
static struct tally_row *row_of(struct tally *tally, unsigned program, const struct read_function *function)
{
    static const struct read_function others = {.name = "[other functions]", .file = "", .module = ""};
    const char *module = read_base_name(function->module);
    uint64_t key = key_of(program, function->name, module);
    struct tally_row *row;

    for (size_t cursor = 0; (row = hash_next(&tally->by_key, key, &cursor));)
        if (row->program == program && !strcmp(row->name, function->name) && !strcmp(row->module, module))
            return row;
    if (tally->rows < TALLY_ROWS)
        return new_row(tally, key, program, function, module);
    if (!tally->others)
        tally->others = new_row(tally, 0, program, &others, "");
    return tally->others;
}

static struct tally_total *total_of(struct tally *tally, unsigned program)
{
    struct tally_total *totals;

    for (size_t i = 0; i < tally->totals; i++)
        if (tally->total[i].program == program)
            return &tally->total[i];
    totals = array_reserve(tally->total, &tally->total_room, tally->totals + 1, sizeof *totals);
    if (!totals)
        return NULL;
    tally->total = totals;
    totals[tally->totals] = (struct tally_total){.program = program};
    return &totals[tally->totals++];
}

/* Which values of a sample go where. */
struct adding {
    unsigned now, all; /* bits of values */
    unsigned types;
};

static void add_values(const struct adding *adding, double *now, double *all, const int64_t *value)
{
    for (unsigned i = 0; i < adding->types; i++) {
        if (adding->now >> i & 1)
            now[i] += (double)value[i];
        if (adding->all >> i & 1)
            all[i] += (double)value[i];
    }
}

/* The functions of locks themselves, by any C library. */
static bool is_of_locks(const struct tally_row *row)
{
    return !strncmp(row->name, "pthread_", 8) || !strncmp(row->name, "sem_", 4) ||
           !strncmp(row->name, "__", 2) || !strncmp(row->name, "[libc.", 6);
}

/* A function that calls itself is counted once. */
static void add_sample(struct tally *tally, const struct adding *adding, const struct read_profile *profile,
                       size_t sample, struct tally_row *const *rows)
{
    const int64_t *value = &profile->value[sample * profile->types];
    uint32_t node = profile->sample[sample].node;

    tally->samples++;
    for (bool is_done = false; node; node = profile->node[node].parent) {
        struct tally_row *row = rows[profile->frame[profile->node[node].frame].function];
        bool is_own = !is_done && !(tally->by_caller && is_of_locks(row) && profile->node[node].parent);
        is_done |= is_own;
        if (is_own)
            add_values(adding, row->now_own, row->own, value);
        if (row->seen != tally->samples)
            add_values(adding, row->now_cum, row->cum, value);
        row->seen = tally->samples;
    }
}

int tally_add(struct tally *tally, unsigned program, const struct read_profile *profile, bool is_whole)
{
    const unsigned states = profile_kinds[tally->kind].snapshot_values;
    const struct adding adding = {.now = is_whole ? 0 : ~0u,
                                  .all = is_whole ? ~0u : ~states,
                                  .types = profile->types < PROFILE_VALUES ? profile->types : PROFILE_VALUES};
    struct tally_row **rows = malloc((profile->functions + 1) * sizeof *rows);
    struct tally_total *total = total_of(tally, program);
    int rc = rows && total ? 0 : -ENOMEM;

    for (size_t i = 0; !rc && i < profile->functions; i++)
        if (!(rows[i] = row_of(tally, program, &profile->function[i])))
            rc = -ENOMEM;
    for (size_t i = 0; !rc && i < profile->samples; i++) {
        add_values(&adding, total->now, total->all, &profile->value[i * profile->types]);
        add_sample(tally, &adding, profile, i, rows);
    }
    free(rows);
    return rc;
}
