/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speedscope's own format. It reads pprof, too, but drops inlined functions and shows one type. A frame is a function with
 * the line where it begins, because speedscope takes frames with other lines for other functions. A type of a profile
 * is a profile of its menu.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/import/titles.h"
#include "stacks.h"
#include "uploader/encoding/json.h"
#include "uploader/options/options.h"
#include "write.h"

struct writing {
    FILE *out;
    const struct choice *choice;
    uint32_t *first; /* of each item: the number of its first function */
    size_t written;
    size_t active; /* the profile of the menu that is shown first */
};

/* One list of an object. Its values come second, and are kept until then. */
struct samples {
    FILE *out;
    uint32_t first;
    int64_t *value;
    size_t count, room;
    int64_t total;
};

static void put_function(FILE *out, const struct read_function *function)
{
    fputs("{\"name\":", out);
    json_put_text(out, function->name);
    if (*function->file) {
        fputs(",\"file\":", out);
        json_put_text(out, function->file);
    } else if (*function->module) {
        fputs(",\"file\":", out);
        json_put_text(out, function->module);
    }
    if (function->line > 0)
        fprintf(out, ",\"line\":%" PRId64, function->line);
    putc('}', out);
}

static void put_frames(struct writing *writing)
{
    const struct choice *choice = writing->choice;
    uint32_t count = 0;

    for (size_t i = 0; i < choice->count; i++) {
        const struct read_profile *profile = choice->item[i].profile;
        bool is_same = i && choice->item[i - 1].profile == profile;
        writing->first[i] = is_same ? writing->first[i - 1] : count;
        for (size_t f = 0; f < profile->functions && !is_same; f++) {
            if (count++)
                fputs(",\n", writing->out);
            put_function(writing->out, &profile->function[f]);
        }
    }
}

static int put_stack(void *context, const uint32_t *function, size_t depth, int64_t value)
{
    struct samples *samples = context;

    if (samples->count == samples->room) {
        size_t room = samples->room ? samples->room * 2 : 1024;
        int64_t *grown = realloc(samples->value, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        samples->value = grown;
        samples->room = room;
    }
    fputs(samples->count ? ",\n[" : "[", samples->out);
    for (size_t i = 0; i < depth; i++)
        fprintf(samples->out, "%s%" PRIu32, i ? "," : "", samples->first + function[i]);
    putc(']', samples->out);
    samples->value[samples->count++] = value;
    samples->total += value;
    return ferror(samples->out) ? -EIO : 0;
}

static const char *unit_of(const struct read_type *type)
{
    static const char *const units[] = {"nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"};

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(units[i], type->unit))
            return units[i];
    return "none";
}

static int put_profile(struct writing *writing, size_t item, unsigned type, const char *thread)
{
    const struct read_profile *profile = writing->choice->item[item].profile;
    const struct stacks_what what = {profile, type, thread, false};
    struct samples samples = {.out = writing->out, .first = writing->first[item]};
    char title[TITLE_BYTES];
    int rc;

    if (writing->written++)
        fputs(",\n", writing->out);
    title_write(title, profile, type, thread ? thread : "");
    fputs("{\"type\":\"sampled\",\"name\":", writing->out);
    json_put_text(writing->out, title);
    fprintf(writing->out, ",\"unit\":\"%s\",\"samples\":[", unit_of(&profile->type[type]));
    rc = stacks_each(&what, put_stack, &samples);
    fputs("],\"weights\":[", writing->out);
    for (size_t i = 0; i < samples.count; i++)
        fprintf(writing->out, "%s%" PRId64, i ? "," : "", samples.value[i]);
    fprintf(writing->out, "],\"startValue\":0,\"endValue\":%" PRId64 "}", samples.total);
    free(samples.value);
    return rc;
}

static int put_threads(struct writing *writing, size_t item, unsigned type)
{
    size_t count;
    const char **thread = stacks_threads(writing->choice->item[item].profile, &count);
    int rc = thread ? 0 : -ENOMEM;

    for (size_t i = 0; i < count && !rc; i++)
        rc = put_profile(writing, item, type, thread[i]);
    free(thread);
    return rc;
}

static int put_item(struct writing *writing, size_t item)
{
    const struct chosen *chosen = &writing->choice->item[item];
    unsigned first = chosen->type == ALL_TYPES ? 0 : (unsigned)chosen->type;
    unsigned end = chosen->type == ALL_TYPES ? chosen->profile->types : first + 1;
    int rc = 0;

    for (unsigned type = first; type < end && !rc; type++) {
        if (!item && (chosen->type != ALL_TYPES || type == chosen->profile->default_type))
            writing->active = writing->written;
        rc = writing->choice->threads ? put_threads(writing, item, type)
                                      : put_profile(writing, item, type, NULL);
    }
    return rc;
}

int speedscope_write(FILE *out, const struct choice *choice)
{
    struct writing writing = {.out = out, .choice = choice};
    int rc = 0;

    writing.first = calloc(choice->count, sizeof *writing.first);
    if (!writing.first)
        return -ENOMEM;
    fputs("{\"$schema\":\"https://www.speedscope.app/"
          "file-format-schema.json\",\n\"exporter\":\"cprof@" CPROF_VERSION "\",\n\"name\":",
          out);
    json_put_text(out, choice->name);
    fputs(",\n\"shared\":{\"frames\":[", out);
    put_frames(&writing);
    fputs("]},\n\"profiles\":[", out);
    for (size_t i = 0; i < choice->count && !rc; i++)
        rc = put_item(&writing, i);
    fprintf(out, "],\n\"activeProfileIndex\":%zu}\n", writing.active);
    free(writing.first);
    return rc;
}
