/* SPDX-License-Identifier: Apache-2.0 */
#include "titles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct read_type cpu[] = {{"samples", "count"}, {"cpu", "nanoseconds"}};
static const struct read_type memory[] = {{"alloc_objects", "count"},
                                          {"alloc_space", "bytes"},
                                          {"inuse_objects", "count"},
                                          {"inuse_space", "bytes"}};
static const struct read_type waits[] = {{"contentions", "count"}, {"delay", "nanoseconds"}};
static const struct read_type wall[] = {{"samples", "count"}, {"wall", "nanoseconds"}};
static const struct read_type off_cpu[] = {{"samples", "count"}, {"off_cpu", "nanoseconds"}};
static const struct read_type threads[] = {{"threads", "count"}};
static const struct read_type created[] = {{"threadcreate", "count"}};

static const struct kind_titles {
    const char *kind;
    const struct read_type *type;
    unsigned types;
    const char *title[4];
} kinds[] = {
    {"cpu", cpu, 2, {"CPU samples", "CPU time"}},
    {"memory", memory, 4, {"Allocated blocks", "Allocated bytes", "Live blocks", "Live bytes"}},
    {"mutex", waits, 2, {"Mutex contentions", "Mutex delay"}},
    {"block", waits, 2, {"Blocking events", "Block delay"}},
    {"wall", wall, 2, {"Wall samples", "Wall time"}},
    {"off_cpu", off_cpu, 2, {"Off-CPU samples", "Off CPU"}},
    {"threads", threads, 1, {"Threads"}},
    {"threadcreate", created, 1, {"Threads created"}},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* "CPU time", or NULL for a foreign type. */
static const char *title_of_type(const struct read_profile *profile, unsigned type)
{
    for (unsigned k = 0; k < KINDS; k++) {
        if (strcmp(kinds[k].kind, profile->kind) != 0)
            continue;
        for (unsigned t = 0; t < kinds[k].types; t++)
            if (!strcmp(kinds[k].type[t].type, profile->type[type].type))
                return kinds[k].title[t];
    }
    return NULL;
}

void title_write(char title[TITLE_BYTES], const struct read_profile *profile, unsigned type,
                 const char *thread)
{
    const char *known = title_of_type(profile, type);
    char foreign[TITLE_BYTES / 4];

    snprintf(foreign, sizeof foreign, "%s (%s)", profile->type[type].type, profile->type[type].unit);
    snprintf(title, TITLE_BYTES, "%.200s%s%s%s%.120s", profile->program, *profile->program ? ": " : "",
             known ? known : foreign, *thread ? ", " : "", thread);
}

/* The title's length if the text begins with it, and a thread or nothing follows. */
static size_t match(const char *text, const char *title)
{
    size_t length = strlen(title);

    if (strncmp(text, title, length) != 0 || (text[length] && strncmp(text + length, ", ", 2) != 0))
        return 0;
    return length;
}

static int parse_at(struct title *title, const char *text)
{
    for (unsigned k = 0; k < KINDS; k++)
        for (unsigned t = 0; t < kinds[k].types; t++) {
            size_t length = match(text, kinds[k].title[t]);
            if (!length)
                continue;
            title->kind = kinds[k].kind;
            title->types = kinds[k].type;
            title->count = kinds[k].types;
            title->type = t;
            snprintf(title->thread, sizeof title->thread, "%s", text[length] ? text + length + 2 : "");
            return 0;
        }
    return -ENOENT;
}

int title_parse(struct title *title, const char *text)
{
    const char *colon = strstr(text, ": ");

    *title->program = 0;
    if (!parse_at(title, text))
        return 0;
    for (; colon; colon = strstr(colon + 2, ": ")) {
        if (parse_at(title, colon + 2))
            continue;
        snprintf(title->program, sizeof title->program, "%.*s", (int)(colon - text), text);
        return 0;
    }
    return -ENOENT;
}
