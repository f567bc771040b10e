/* SPDX-License-Identifier: Apache-2.0 */
#include "sides.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/bytes/plain.h"
#include "analysis/query/query.h"
#include "analysis/read/find.h"
#include "analysis/read/read.h"
#include "uploader/base/array.h"
#include "uploader/base/progress.h"

static int new_run(struct side *side, const char *path, struct run **run)
{
    struct run *grown;
    struct stat st;

    if (side->runs == SIDE_RUNS) {
        snprintf(side->error, sizeof side->error, "%s: there are more than %d runs", side->name, SIDE_RUNS);
        return -E2BIG;
    }
    grown = array_reserve(side->run, &side->room, side->runs, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    side->run = grown;
    *run = &side->run[side->runs++];
    reading_init(&(*run)->reading);
    (*run)->path = strdup(path);
    (*run)->is_file = stat(path, &st) || !S_ISDIR(st.st_mode);
    return (*run)->path ? 0 : -ENOMEM;
}

static int read_input(struct run *run)
{
    struct plain input;
    int rc = plain_read(&input, "-");

    if (rc)
        reading_fail(&run->reading, rc, "standard input: %s", strerror(-rc));
    else if (!(run->data = malloc(input.size + 1)))
        rc = -ENOMEM;
    if (!rc) {
        memcpy(run->data, input.data, input.size);
        run->size = input.size;
        rc = reading_add_bytes(&run->reading, "standard input", run->data, run->size);
    }
    plain_free(&input);
    return rc;
}

static int add_run(void *context, const char *path)
{
    struct side *side = context;
    struct run *run;
    int rc = new_run(side, path, &run);

    if (rc)
        return rc;
    rc = strcmp(path, "-") ? reading_add(&run->reading, path) : read_input(run);
    reading_trim(&run->reading);
    if (rc)
        memcpy(side->error, run->reading.error, sizeof side->error);
    return rc;
}

static int add_query(struct side *side)
{
    struct run *run;
    int rc = new_run(side, side->name, &run);

    if (rc)
        return rc;
    rc = query_add(&run->reading, side->name, &run->data, &run->size);
    reading_trim(&run->reading);
    if (rc)
        memcpy(side->error, run->reading.error, sizeof side->error);
    return rc;
}

/* "a,b,c", unless there is a file of that name. */
static int add_list(struct side *side)
{
    char *list = strdup(side->name), *rest = list;
    int rc = list ? 0 : -ENOMEM;

    if (!access(side->name, F_OK))
        rc = find_runs(side->name, add_run, side);
    else
        for (char *path; !rc && (path = strsep(&rest, ","));)
            if (*path)
                rc = find_runs(path, add_run, side);
    free(list);
    return rc;
}

static void *side_open(void *context)
{
    struct side *side = context;

    side->rc = side->is_query ? add_query(side) : add_list(side);
    if (side->rc == -ENOMEM && !side->error[0])
        snprintf(side->error, sizeof side->error, "%s: not enough memory", side->name);
    if (!side->rc && !side->runs) {
        snprintf(side->error, sizeof side->error, "%s: it names no file", *side->name ? side->name : "\"\"");
        side->rc = -ENODATA;
    }
    return NULL;
}

int sides_open(struct side side[2], const char *const argument[2])
{
    pthread_t other;
    bool together;

    for (int i = 0; i < 2; i++)
        side[i] = (struct side){.name = argument[i], .is_query = is_query(argument[i])};
    progress_step("reading %s and %s", argument[0], argument[1]);
    /* Each side has readings of its own, and nothing else is shared by what reads files. */
    together = !side[0].is_query && !side[1].is_query && !pthread_create(&other, NULL, side_open, &side[0]);
    if (!together)
        side_open(&side[0]);
    if (together || !side[0].rc)
        side_open(&side[1]);
    if (together)
        pthread_join(other, NULL);
    return side[0].rc ? side[0].rc : side[1].rc;
}

void side_close(struct side *side)
{
    for (size_t i = 0; i < side->runs; i++) {
        reading_free(&side->run[i].reading);
        free(side->run[i].path);
        free(side->run[i].data);
    }
    free(side->run);
    *side = (struct side){.name = NULL};
}

const struct read_profile *run_profile(const struct run *run, const char *program, const char *kind,
                                       const char *type)
{
    const struct reading *reading = &run->reading;

    for (size_t i = 0; i < reading->profiles; i++) {
        const struct read_profile *profile = reading->profile[i];
        if (!strcmp(profile->kind, kind) && (!program || !strcmp(profile->program, program)) &&
            (!type || read_profile_type(profile, type) >= 0))
            return profile;
    }
    return NULL;
}

int side_with(const struct side *side, const char *program, const char *kind, struct side *only)
{
    *only = *side;
    only->runs = 0;
    only->run = calloc(side->runs, sizeof *only->run);
    if (!only->run)
        return -ENOMEM;
    for (size_t i = 0; i < side->runs; i++)
        if (!side->run[i].is_file || run_profile(&side->run[i], program, kind, NULL))
            only->run[only->runs++] = side->run[i];
    return 0;
}

static double size_of(const struct side *side, const char *program, const char *kind, const char *type)
{
    double size = 0;

    for (size_t i = 0; i < side->runs; i++) {
        const struct read_profile *profile = run_profile(&side->run[i], program, kind, type);
        if (profile)
            size += (double)read_profile_total(profile, (unsigned)read_profile_type(profile, type));
    }
    return size;
}

/* In each run of the side there is one program with this kind: its name. */
static const char *only_program(const struct side *side, const char *kind)
{
    const char *only = NULL;

    for (size_t i = 0; i < side->runs; i++)
        for (size_t j = 0; j < side->run[i].reading.profiles; j++) {
            const struct read_profile *profile = side->run[i].reading.profile[j];
            if (strcmp(profile->kind, kind) != 0)
                continue;
            if (only && strcmp(only, profile->program) != 0)
                return NULL;
            only = profile->program;
        }
    return only;
}

static bool has_program(const struct side *side, const char *program, const char *kind, const char *type)
{
    for (size_t i = 0; i < side->runs; i++)
        if (run_profile(&side->run[i], program, kind, type))
            return true;
    return false;
}

struct pairs {
    const struct side *a, *b;
    struct pairing *pairing;
    size_t count, room;
};

static int add_pair(struct pairs *pairs, const struct read_profile *profile, unsigned type)
{
    const char *name = profile->type[type].type, *kind = profile->kind, *other = profile->program;
    struct pairing *grown;

    for (size_t i = 0; i < pairs->count; i++)
        if (!strcmp(pairs->pairing[i].program[0], profile->program) &&
            !strcmp(pairs->pairing[i].kind, kind) && !strcmp(pairs->pairing[i].type, name))
            return 0;
    if (!has_program(pairs->b, other, kind, name) && only_program(pairs->a, kind))
        other = only_program(pairs->b, kind);
    if (!other || !has_program(pairs->b, other, kind, name))
        return 0;
    grown = array_reserve(pairs->pairing, &pairs->room, pairs->count, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    pairs->pairing = grown;
    pairs->pairing[pairs->count++] = (struct pairing){
        .program = {profile->program, other},
        .kind = kind,
        .type = name,
        .unit = profile->type[type].unit,
        .is_default = type == profile->default_type,
        .size = {size_of(pairs->a, profile->program, kind, name), size_of(pairs->b, other, kind, name)},
    };
    return 0;
}

static int rank_of(const struct pairing *pairing)
{
    static const char *const kinds[] = {"cpu", "wall", "memory", "mutex", "block", "off_cpu"};

    for (int i = 0; i < (int)(sizeof kinds / sizeof kinds[0]); i++)
        if (!strcmp(kinds[i], pairing->kind))
            return i;
    return (int)(sizeof kinds / sizeof kinds[0]);
}

/* By program only; the kinds of one stay together. */
static int by_rank(const void *left, const void *right)
{
    const struct pairing *a = left, *b = right;
    int order = rank_of(a) - rank_of(b);
    double one = fmax(a->size[0], a->size[1]), other = fmax(b->size[0], b->size[1]);

    if (!order)
        order = strcmp(a->kind, b->kind);
    if (!order)
        order = b->is_default - a->is_default;
    if (!order)
        order = (one < other) - (one > other);
    return order ? order : strcmp(a->type, b->type);
}

struct pairing *sides_pair(const struct side *a, const struct side *b, size_t *count)
{
    struct pairs pairs = {.a = a, .b = b};
    int rc = 0;

    for (size_t i = 0; i < a->runs; i++)
        for (size_t j = 0; j < a->run[i].reading.profiles; j++) {
            const struct read_profile *profile = a->run[i].reading.profile[j];
            for (unsigned t = 0; t < profile->types && !rc; t++)
                rc = add_pair(&pairs, profile, t);
        }
    if (pairs.count)
        qsort(pairs.pairing, pairs.count, sizeof *pairs.pairing, by_rank);
    *count = pairs.count;
    return pairs.pairing;
}

static bool is_type(const struct pairing *pairing, const char *type)
{
    size_t kind = strlen(pairing->kind);

    if (!strcmp(pairing->type, type))
        return true;
    if (strncmp(type, pairing->kind, kind) != 0)
        return false;
    return type[kind] ? type[kind] == ':' && !strcmp(type + kind + 1, pairing->type) : pairing->is_default;
}

const struct pairing *pairing_find(const struct pairing *pairing, size_t count, const char *type)
{
    if (!type)
        return count ? pairing : NULL;
    for (size_t i = 0; i < count; i++)
        if (is_type(&pairing[i], type))
            return &pairing[i];
    return NULL;
}
