/* SPDX-License-Identifier: Apache-2.0 */
#include "build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/tables.h"
#include "uploader/base/array.h"
#include "uploader/encoding/utf8.h"

enum { TEXT_BYTES = 16 * 1024 };

const char *build_text(struct reading *reading, const char *text)
{
    char clean[TEXT_BYTES];
    size_t length = strlen(text);

    if (length < TEXT_BYTES && utf8_is_valid(text))
        return store_text(&reading->store, text, length);
    utf8_clean(clean, sizeof clean, text, false);
    return store_text(&reading->store, clean, strlen(clean));
}

static struct read_profile *add_profile(struct reading *reading, const char *program, const char *kind)
{
    struct read_profile **list =
        array_reserve(reading->profile, &reading->room, reading->profiles + 1, sizeof *list);
    struct read_profile *profile = list ? tables_new(&reading->store) : NULL;

    if (list)
        reading->profile = list;
    if (!profile)
        return NULL;
    profile->program = build_text(reading, program);
    profile->kind = build_text(reading, kind);
    profile->path = "";
    profile->files = 1;
    reading->profile[reading->profiles++] = profile;
    return profile;
}

static bool has_types(const struct read_profile *profile, const struct read_type *type, unsigned types)
{
    for (unsigned i = 0; i < types; i++)
        if (profile->types != types || strcmp(profile->type[i].type, type[i].type) != 0 ||
            strcmp(profile->type[i].unit, type[i].unit) != 0)
            return false;
    return true;
}

struct read_profile *build_profile(struct reading *reading, const char *program, const char *kind,
                                   const struct read_type *type, unsigned types)
{
    struct read_profile *profile;

    for (size_t i = 0; i < reading->profiles; i++) {
        profile = reading->profile[i];
        if (!strcmp(profile->program, program) && !strcmp(profile->kind, kind) &&
            has_types(profile, type, types))
            return profile;
    }
    profile = add_profile(reading, program, kind);
    if (!profile)
        return NULL;
    profile->types = types;
    profile->default_type = types - 1;
    if (types > 1 && !strcmp(kind, "memory")) /* as profile_kinds[] has it */
        profile->default_type = 1;
    for (unsigned i = 0; i < types; i++)
        profile->type[i] =
            (struct read_type){build_text(reading, type[i].type), build_text(reading, type[i].unit)};
    profile->period_type = profile->type[types - 1];
    return profile;
}

int build_frame(struct reading *reading, struct read_profile *profile, const struct build_frame *from,
                uint32_t *number)
{
    const struct read_function function = {
        .name = build_text(reading, *from->name ? from->name : "[unknown]"),
        .file = build_text(reading, from->file),
        .module = build_text(reading, from->module),
    };
    struct read_frame frame = {.line = from->line, .inlined = from->inlined};
    int rc = tables_function(profile, &function, &frame.function);

    return rc ? rc : tables_frame(profile, &frame, number);
}

int build_thread(struct reading *reading, struct read_profile *profile, const char *thread, int64_t pid,
                 uint32_t *set)
{
    const struct read_set own = {.thread = build_text(reading, thread), .pid = pid};

    return tables_set(profile, &reading->store, &own, set);
}

/* map[]: the frame's number + 1, once it is known. */
static int copy_nodes(struct reading *reading, const struct read_profile *from, struct read_profile *to,
                      const struct build_frame *frame, uint32_t *map, uint32_t *node)
{
    int rc = 0;

    for (size_t i = 1; i < from->nodes && !rc; i++) {
        uint32_t number = 0, old = from->node[i].frame;
        if (!map[old]) {
            rc = build_frame(reading, to, &frame[old], &number);
            map[old] = number + 1;
        }
        if (!rc)
            rc = tables_node(to, node[from->node[i].parent], map[old] - 1, &node[i]);
    }
    return rc;
}

static int copy_samples(struct reading *reading, const struct read_profile *from, struct read_profile *to,
                        const uint32_t *node)
{
    int rc = 0;

    for (size_t i = 0; i < from->samples && !rc; i++) {
        uint32_t set;
        rc = tables_set(to, &reading->store, &from->set[from->sample[i].set], &set);
        if (!rc)
            rc = tables_add(to, node[from->sample[i].node], set, &from->value[i * from->types]);
    }
    return rc;
}

int build_resolve(struct reading *reading, struct read_profile **profile, const struct build_frame *frame,
                  size_t count)
{
    struct read_profile *from = *profile, *to = tables_new(&reading->store);
    uint32_t *node = calloc(from->nodes, sizeof *node), *map = calloc(count + 1, sizeof *map);
    int rc = to && node && map ? 0 : -ENOMEM;

    for (size_t i = 1; i < from->nodes && !rc; i++)
        if (from->node[i].frame >= count)
            rc = -ERANGE;
    if (!rc) {
        memcpy(to->type, from->type, sizeof to->type);
        to->types = from->types;
        rc = copy_nodes(reading, from, to, frame, map, node);
    }
    if (!rc)
        rc = copy_samples(reading, from, to, node);
    free(node);
    free(map);
    if (rc) {
        if (to)
            tables_free(to);
        return rc;
    }
    to->program = from->program;
    to->kind = from->kind;
    to->path = from->path;
    to->files = from->files;
    to->default_type = from->default_type;
    to->period_type = from->period_type;
    to->period = from->period;
    to->start_ns = from->start_ns;
    to->end_ns = from->end_ns;
    to->duration_ns = from->duration_ns;
    tables_free(from);
    *profile = to;
    return 0;
}

static bool has_values(const struct read_profile *profile, unsigned type)
{
    for (size_t i = 0; i < profile->samples; i++)
        if (profile->value[i * profile->types + type])
            return true;
    return false;
}

void build_finish(struct read_profile *profile)
{
    unsigned kept[READ_TYPES], count = 0;

    for (unsigned t = 0; t < profile->types; t++)
        if (has_values(profile, t) || (!count && t + 1 == profile->types))
            kept[count++] = t;
    if (count == profile->types)
        return;
    for (size_t i = 0; i < profile->samples; i++)
        for (unsigned t = 0; t < count; t++)
            profile->value[i * count + t] = profile->value[i * profile->types + kept[t]];
    for (unsigned t = 0; t < count; t++) {
        if (kept[t] <= profile->default_type)
            profile->default_type = t;
        profile->type[t] = profile->type[kept[t]];
    }
    profile->default_type = profile->default_type < count ? profile->default_type : count - 1;
    profile->types = count;
}

int build_fail(struct reading *reading, const struct source *in, int error, const char *what)
{
    if (in->error == -EFBIG)
        what = "it has more than 2 GiB";
    else if (in->error)
        what = "it is damaged or ends early";
    snprintf(reading->error, sizeof reading->error, "%s:%llu: %s", in->name, (unsigned long long)in->line,
             what ? what : strerror(-error));
    return error;
}
