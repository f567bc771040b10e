/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 60 of the processed format of Firefox Profiler: the first one whose tables are shared by all threads. Firefox Profiler
 * upgrades each older version, so this one stays. A profile is a process and its threads are tracks. A sample lies in the
 * interval that it was recorded in; where in it, nobody knows, so those of an interval follow each other from its beginning.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/import/titles.h"
#include "firefox_file.h"
#include "uploader/encoding/json.h"
#include "write.h"

/* Times in ns count in milliseconds, all else as it is. */
static const char *weight_type(const struct read_type *type)
{
    return !strcmp(type->unit, "nanoseconds") ? "tracing-ms"
           : !strcmp(type->unit, "bytes")     ? "bytes"
                                              : "samples";
}

static void put_weight(FILE *out, const struct read_type *type, int64_t value)
{
    const char *sign = value < 0 ? "-" : "";
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;

    if (strcmp(type->unit, "nanoseconds") != 0)
        fprintf(out, "%" PRId64, value);
    else if (size % 1000000)
        fprintf(out, "%s%" PRIu64 ".%06" PRIu64, sign, size / 1000000, size % 1000000);
    else
        fprintf(out, "%s%" PRIu64, sign, size / 1000000);
}

/* The samples of a thread in one interval: where each begins, and how long it may be drawn. */
struct span {
    size_t first, end;
    double total, step; /* ms for one unit of the values */
};

static struct span span_of(const struct firefox_part *part, size_t first, size_t end)
{
    const struct moment *item = part->moments.item;
    struct span span = {first, first, 0, 0};
    double room = (double)(item[first].end_ms - item[first].start_ms);

    for (; span.end < end && item[span.end].start_ms == item[first].start_ms; span.end++)
        span.total += item[span.end].value > 0 ? (double)item[span.end].value : 0;
    room = room > 1 ? room : 1;
    span.step = span.total > 0 ? room / span.total : 0;
    if (!strcmp(part->profile->type[part->type].unit, "nanoseconds") && span.step > 1e-6)
        span.step = 1e-6; /* the thread was idle for the rest */
    return span;
}

/* Calls put for each sample of the thread with its time, and once more at each interval's end, for its idle rest. */
typedef void put_sample(struct firefox_file *file, const struct firefox_part *part,
                        const struct moment *moment, double time);

static void each_sample(struct firefox_file *file, const struct firefox_part *part, size_t first, size_t end,
                        const char *name, put_sample *put)
{
    fprintf(file->out, "\"%s\":[", name);
    for (size_t begin = first; begin < end;) {
        const struct span span = span_of(part, begin, end);
        double time = (double)(part->moments.item[begin].start_ms - file->start_ms);
        for (size_t i = span.first; i < span.end; i++) {
            const struct moment *moment = &part->moments.item[i];
            if (i > first)
                putc(',', file->out);
            put(file, part, moment, time);
            time += (moment->value > 0 ? (double)moment->value : 0) * span.step;
        }
        putc(',', file->out);
        put(file, part, NULL, time);
        begin = span.end;
    }
    fputs("],\n", file->out);
}

static void put_stack(struct firefox_file *file, const struct firefox_part *part, const struct moment *moment,
                      double time)
{
    (void)time;
    if (moment && moment->node)
        fprintf(file->out, "%" PRIu32, part->nodes + moment->node - 1);
    else
        fputs("null", file->out);
}

static void put_time(struct firefox_file *file, const struct firefox_part *part, const struct moment *moment,
                     double time)
{
    (void)part, (void)moment;
    fprintf(file->out, "%.3f", time);
}

static void put_value(struct firefox_file *file, const struct firefox_part *part, const struct moment *moment,
                      double time)
{
    (void)time;
    put_weight(file->out, &part->profile->type[part->type], moment ? moment->value : 0);
}

static size_t count_samples(const struct firefox_part *part, size_t first, size_t end)
{
    size_t count = end - first;

    for (size_t begin = first; begin < end; count++)
        begin = span_of(part, begin, end).end;
    return count;
}

static void put_thread(struct firefox_file *file, const struct firefox_part *part, size_t first, size_t end)
{
    const struct moment *moment = &part->moments.item[first];
    char title[TITLE_BYTES];

    title_write(title, part->profile, part->type, "");
    fputs(file->threads++ ? ",\n{\"name\":" : "{\"name\":", file->out);
    json_put_text(file->out, moment->thread);
    fputs(",\"processName\":", file->out);
    json_put_text(file->out, title);
    fprintf(
        file->out,
        ",\"isMainThread\":%s,\"pid\":\"%zu\",\"tid\":%u,\"processType\":\"default\",\n"
        "\"processStartupTime\":0,\"processShutdownTime\":null,\"registerTime\":0,\"unregisterTime\":null,"
        "\"pausedRanges\":[],\n\"markers\":{\"data\":[],\"name\":[],\"startTime\":[],\"endTime\":[],"
        "\"phase\":[],"
        "\"category\":[],\"length\":0},\n\"samples\":{",
        moment == part->moments.item ? "true" : "false", (size_t)(part - file->part) + 1, file->threads);
    each_sample(file, part, first, end, "stack", put_stack);
    each_sample(file, part, first, end, "time", put_time);
    each_sample(file, part, first, end, "weight", put_value);
    fprintf(file->out, "\"weightType\":\"%s\",\"length\":%zu}}",
            weight_type(&part->profile->type[part->type]), count_samples(part, first, end));
}

static void put_threads(struct firefox_file *file)
{
    fputs("\"threads\":[", file->out);
    for (size_t i = 0; i < file->parts; i++) {
        const struct moments *moments = &file->part[i].moments;
        for (size_t first = 0, end = 0; first < moments->count; first = end) {
            while (end < moments->count && !strcmp(moments->item[end].thread, moments->item[first].thread))
                end++;
            put_thread(file, &file->part[i], first, end);
        }
    }
    fputs("]}\n", file->out);
}

static int read_parts(struct firefox_file *file, const struct choice *choice)
{
    int rc = 0;

    file->start_ms = INT64_MAX;
    for (size_t i = 0; i < choice->count && !rc; i++, file->parts++) {
        struct firefox_part *part = &file->part[i];
        part->profile = choice->item[i].profile;
        part->type = (unsigned)choice->item[i].type;
        rc = moments_read(&part->moments, choice->reading, part->profile, part->type);
        for (size_t m = 0; m < part->moments.count; m++)
            if (part->moments.item[m].start_ms < file->start_ms)
                file->start_ms = part->moments.item[m].start_ms;
    }
    if (file->start_ms == INT64_MAX)
        file->start_ms = 0;
    return rc;
}

int firefox_write(FILE *out, const struct choice *choice)
{
    struct firefox_file file = {.out = out};
    int rc = -ENOMEM;

    file.part = calloc(choice->count, sizeof *file.part);
    if (file.part)
        rc = read_parts(&file, choice);
    if (!rc)
        rc = firefox_number_all(&file);
    if (!rc) {
        firefox_put_head(&file, choice->name);
        put_threads(&file);
    }
    for (size_t i = 0; i < file.parts; i++)
        moments_free(&file.part[i].moments);
    free(file.part);
    text_ids_free(&file.strings);
    text_ids_free(&file.libs);
    return rc;
}
