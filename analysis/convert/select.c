/* SPDX-License-Identifier: Apache-2.0 */
#include "select.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* *type: the one that was named, or ALL_TYPES. */
static bool is_meant(const struct read_profile *profile, const struct select_what *what, int *type)
{
    const char *colon = what->type ? strchr(what->type, ':') : NULL;

    *type = ALL_TYPES;
    if (what->program && strcmp(what->program, profile->program) != 0)
        return false;
    if (!what->type || !strcmp(what->type, profile->kind))
        return true;
    if (colon && (strncmp(profile->kind, what->type, (size_t)(colon - what->type)) != 0 ||
                  profile->kind[colon - what->type]))
        return false;
    *type = read_profile_type(profile, colon ? colon + 1 : what->type);
    return *type >= 0;
}

static int default_type(const struct chosen *item)
{
    return item->type == ALL_TYPES ? (int)item->profile->default_type : item->type;
}

static void append(char *line, const char *text, const char *between)
{
    size_t used = strlen(line);

    snprintf(line + used, READ_ERROR - used, "%s%s", between, text);
}

/* Says what there is: kinds, or programs where all are of one kind. */
static void list_choices(const struct chosen *item, size_t count, char *line)
{
    bool programs = true;

    for (size_t i = 1; i < count; i++)
        programs &= !strcmp(item[i].profile->kind, item[0].profile->kind);
    for (size_t i = 0; i < count; i++) {
        const char *name = programs ? item[i].profile->program : item[i].profile->kind;
        bool is_new = true;
        for (size_t other = 0; other < i; other++)
            is_new &= strcmp(name, programs ? item[other].profile->program : item[other].profile->kind) != 0;
        if (is_new)
            append(line, name, i ? ", " : "");
    }
    append(line, programs ? " (--program=NAME picks one)" : " (--type=NAME picks one)", "");
}

static int fail_many(struct choice *choice, const struct chosen *item, size_t count)
{
    char *line = choice->reading->error;

    snprintf(line, READ_ERROR, "%.200s has %zu profiles, and this format holds one: ", choice->name, count);
    list_choices(item, count, line);
    return -EINVAL;
}

static int fail_none(struct choice *choice, const struct select_what *what)
{
    char *line = choice->reading->error;

    snprintf(line, READ_ERROR, "%.200s: there is no profile%s%.60s%s%.60s; it has ", choice->name,
             what->type ? " of type " : "", what->type ? what->type : "", what->program ? " of program " : "",
             what->program ? what->program : "");
    for (size_t i = 0; i < choice->reading->profiles; i++) {
        const struct read_profile *profile = choice->reading->profile[i];
        append(line, *profile->program ? profile->program : "", i ? ", " : "");
        append(line, profile->kind, *profile->program ? " " : "");
    }
    return -ENODATA;
}

/* What most people look for comes first. */
static int rank_of(const struct read_profile *profile)
{
    static const char *const kinds[] = {"cpu",  "memory",  "mutex",   "block",
                                        "wall", "off_cpu", "threads", "threadcreate"};
    int rank = 0;

    while (rank < (int)(sizeof kinds / sizeof kinds[0]) && strcmp(kinds[rank], profile->kind) != 0)
        rank++;
    return rank;
}

static int compare_items(const void *a, const void *b)
{
    const struct read_profile *one = ((const struct chosen *)a)->profile,
                              *other = ((const struct chosen *)b)->profile;
    int programs = strcmp(one->program, other->program), ranks = rank_of(one) - rank_of(other);

    return programs ? programs : ranks ? ranks : strcmp(one->kind, other->kind);
}

int select_profiles(struct choice *choice, const struct select_what *what)
{
    const struct reading *reading = choice->reading;
    size_t count = 0;

    choice->item = calloc(reading->profiles + 1, sizeof *choice->item);
    if (!choice->item)
        return -ENOMEM;
    for (size_t i = 0; i < reading->profiles; i++) {
        struct chosen *item = &choice->item[count];
        item->profile = reading->profile[i];
        if (!is_meant(item->profile, what, &item->type))
            continue;
        if (what->one_type)
            item->type = default_type(item);
        count++;
    }
    choice->count = count;
    qsort(choice->item, count, sizeof *choice->item, compare_items);
    if (!count)
        return fail_none(choice, what);
    if (count > 1 && what->one_profile)
        return fail_many(choice, choice->item, count);
    return 0;
}
