/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processed profiles of Firefox Profiler, as it saves them: version 41 and later. Threads may come before the tables, so
 * they are kept until all is read. What samples weigh is counts, milliseconds or bytes; their times are dropped.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/tables.h"
#include "build.h"
#include "firefox_tables.h"
#include "titles.h"
#include "uploader/base/array.h"

enum { THREADS_MOST = 1 << 16 };

struct thread {
    char name[256], process[TITLE_BYTES], weight_type[32];
    int64_t pid;
    struct firefox_tables own;
    struct column stack;
    double *weight;
    size_t weights, weight_room;
};

struct firefox {
    struct json json;
    struct reading *reading;
    int rc;
    struct firefox_tables shared;
    const char **lib; /* the path of each */
    size_t libs, lib_room;
    struct thread *thread;
    size_t threads, thread_room;
};

/* Numbers of the profile for those of the file, while the tables and the profile stay the same. */
struct naming {
    const struct firefox *file;
    const struct firefox_tables *tables, *strings;
    struct read_profile *profile;
    uint32_t *node, *frame; /* number + 1; 0: not known yet */
};

static void note(struct firefox *file, int rc)
{
    if (rc && !file->rc) {
        file->rc = rc;
        json_fail(&file->json, strerror(-rc));
    }
}

static void keep(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
}

static void read_weights(struct firefox *file, struct thread *thread)
{
    if (json_null(&file->json))
        return;
    for (json_array(&file->json); json_more(&file->json);) {
        double weight = json_null(&file->json) ? 0 : json_number(&file->json);
        double *grown = array_reserve(thread->weight, &thread->weight_room, thread->weights, sizeof *grown);
        if (!grown) {
            note(file, -ENOMEM);
            return;
        }
        thread->weight = grown;
        thread->weight[thread->weights++] = weight;
    }
}

static void read_samples(struct firefox *file, struct thread *thread)
{
    struct json *json = &file->json;

    for (json_object(json); json_key(json);)
        if (json_is(json, "stack"))
            note(file, column_read(json, &thread->stack));
        else if (json_is(json, "weight"))
            read_weights(file, thread);
        else if (json_is(json, "weightType"))
            keep(thread->weight_type, sizeof thread->weight_type, json_text_or_null(json));
        else if (json_is(json, "schema"))
            json_fail(json,
                      "a processed profile is expected: open this one in Firefox Profiler and save it there");
        else
            json_skip(json);
}

/* A number, or a text that is one. */
static int64_t read_pid(struct json *json)
{
    if (json_next_is(json, '"'))
        return strtoll(json_text(json), NULL, 10);
    return json_line(json);
}

static void read_thread(struct firefox *file)
{
    struct json *json = &file->json;
    struct thread *grown = file->threads < THREADS_MOST
                               ? array_reserve(file->thread, &file->thread_room, file->threads, sizeof *grown)
                               : NULL;

    note(file, grown ? 0 : file->threads < THREADS_MOST ? -ENOMEM : -E2BIG);
    if (!grown)
        return;
    file->thread = grown;
    grown += file->threads++;
    for (json_object(json); json_key(json);)
        if (json_is(json, "name"))
            keep(grown->name, sizeof grown->name, json_text_or_null(json));
        else if (json_is(json, "processName"))
            keep(grown->process, sizeof grown->process, json_text_or_null(json));
        else if (json_is(json, "pid"))
            grown->pid = read_pid(json);
        else if (json_is(json, "samples"))
            read_samples(file, grown);
        else
            note(file, firefox_tables_read(&grown->own, json, file->reading));
}

static void read_lib(struct firefox *file)
{
    const char *path = "", **grown;

    for (json_object(&file->json); json_key(&file->json);)
        if (json_is(&file->json, "path"))
            path = build_text(file->reading, json_text_or_null(&file->json));
        else
            json_skip(&file->json);
    grown = array_reserve(file->lib, &file->lib_room, file->libs, sizeof(*grown));
    if (!grown) {
        note(file, -ENOMEM);
        return;
    }
    file->lib = grown;
    file->lib[file->libs++] = path;
}

static void read_top(struct firefox *file)
{
    struct json *json = &file->json;

    for (json_object(json); json_key(json);)
        if (json_is(json, "threads"))
            for (json_array(json); json_more(json);)
                read_thread(file);
        else if (json_is(json, "libs"))
            for (json_array(json); json_more(json);)
                read_lib(file);
        else if (json_is(json, "shared"))
            for (json_object(json); json_key(json);)
                note(file, firefox_tables_read(&file->shared, json, file->reading));
        else
            json_skip(json);
    json_end(json);
}

/* Since version 70 a frame has its library; before, the function's resource has it. */
static const char *module_of(const struct naming *naming, int32_t frame, int32_t func)
{
    const struct firefox_tables *tables = naming->tables;
    int32_t lib = column_at(&tables->frame_lib, frame);

    if (lib < 0)
        lib = column_at(&tables->resource_lib, column_at(&tables->func_resource, func));
    return lib >= 0 && (size_t)lib < naming->file->libs ? naming->file->lib[lib] : "";
}

static int32_t file_of(const struct naming *naming, int32_t func)
{
    const struct firefox_tables *tables = naming->tables;
    int32_t source = column_at(&tables->func_source, func);

    return source >= 0 ? column_at(&tables->source_file, source) : column_at(&tables->func_file, func);
}

static int name_frame(struct naming *naming, int32_t frame, uint32_t *number)
{
    const struct firefox_tables *tables = naming->tables;
    int32_t func = column_at(&tables->frame_func, frame), line = column_at(&tables->frame_line, frame);
    const struct build_frame from = {
        .name = firefox_text(naming->strings, column_at(&tables->func_name, func)),
        .file = firefox_text(naming->strings, file_of(naming, func)),
        .module = module_of(naming, frame, func),
        .line = line > 0 ? line : 0,
        .inlined = column_at(&tables->frame_depth, frame) > 0,
    };
    int rc;

    if (frame < 0 || (size_t)frame >= tables->frame_func.count)
        return -ERANGE;
    if (!naming->frame[frame]) {
        rc = build_frame(naming->file->reading, naming->profile, &from, number);
        if (rc)
            return rc;
        naming->frame[frame] = *number + 1;
    }
    *number = naming->frame[frame] - 1;
    return 0;
}

/* All stacks, once for each profile: a prefix comes before what refers to it. */
static int name_nodes(struct naming *naming)
{
    const struct firefox_tables *tables = naming->tables;
    int rc = 0;

    for (size_t i = 0; i < tables->stack_frame.count && !rc; i++) {
        int64_t prefix = column_at(&tables->stack_prefix, (int64_t)i);
        uint32_t frame, node;
        if (tables->prefix_is_offset)
            prefix = prefix > 0 ? (int64_t)i - prefix : -1;
        if (prefix >= (int64_t)i)
            return -ERANGE;
        rc = name_frame(naming, tables->stack_frame.value[i], &frame);
        if (!rc)
            rc = tables_node(naming->profile, prefix >= 0 ? naming->node[prefix] : 0, frame, &node);
        if (!rc)
            naming->node[i] = node;
    }
    return rc;
}

static int begin_naming(struct naming *naming, const struct thread *thread, struct read_profile *profile)
{
    const struct firefox_tables *tables =
        thread->own.stack_frame.count ? &thread->own : &naming->file->shared;
    const struct firefox_tables *strings = thread->own.strings ? &thread->own : &naming->file->shared;

    if (naming->tables == tables && naming->profile == profile && naming->strings == strings)
        return 0;
    free(naming->node);
    free(naming->frame);
    naming->tables = tables;
    naming->strings = strings;
    naming->profile = profile;
    naming->node = calloc(tables->stack_frame.count + 1, sizeof *naming->node);
    naming->frame = calloc(tables->frame_func.count + 1, sizeof *naming->frame);
    return naming->node && naming->frame ? name_nodes(naming) : -ENOMEM;
}

static const struct weight_type {
    const char *name;
    struct read_type type;
    double scale;
} weight_types[] = {
    {"samples", {"samples", "count"}, 1},
    {"tracing-ms", {"time", "nanoseconds"}, 1e6},
    {"bytes", {"space", "bytes"}, 1},
};

static const struct weight_type *find_weight_type(const struct thread *thread)
{
    for (size_t i = 0; i < sizeof weight_types / sizeof weight_types[0]; i++)
        if (!strcmp(weight_types[i].name, thread->weight_type))
            return &weight_types[i];
    return &weight_types[0];
}

/* Fractions are carried on, so that the total stays what it is. */
static int add_samples(const struct naming *naming, const struct thread *thread, uint32_t set, unsigned type,
                       double scale)
{
    double left = 0;
    int rc = 0;

    for (size_t i = 0; i < thread->stack.count && !rc; i++) {
        int64_t value[READ_TYPES] = {0};
        double weight = (thread->weights ? thread->weight[i] : 1) * scale + left;
        int32_t stack = thread->stack.value[i];
        if (stack < 0)
            continue;
        if ((size_t)stack >= naming->tables->stack_frame.count || fabs(weight) > 9e18)
            return -ERANGE;
        value[type] = llround(weight);
        left = weight - (double)value[type];
        if (value[type])
            rc = tables_add(naming->profile, naming->node[stack], set, value);
    }
    return rc;
}

static int add_thread(struct naming *naming, const struct thread *thread)
{
    struct reading *reading = naming->file->reading;
    const struct weight_type *weight = find_weight_type(thread);
    struct title title;
    const bool ours = !title_parse(&title, thread->process);
    struct read_profile *profile;
    uint32_t set = 0;
    int rc;

    if (!thread->stack.count)
        return 0;
    if (thread->weights && thread->weights != thread->stack.count)
        return -ERANGE;
    if (ours)
        profile = build_profile(reading, title.program, title.kind, title.types, title.count);
    else
        profile = build_profile(reading, thread->process, weight->type.type, &weight->type, 1);
    if (!profile)
        return -ENOMEM;
    rc = begin_naming(naming, thread, profile);
    if (!rc)
        rc = build_thread(reading, profile, thread->name, ours ? 0 : thread->pid, &set);
    return rc ? rc : add_samples(naming, thread, set, ours ? title.type : 0, weight->scale);
}

static void add_threads(struct firefox *file, size_t first)
{
    struct naming naming = {.file = file};

    for (size_t i = 0; i < file->threads && !file->json.error; i++) {
        int rc = add_thread(&naming, &file->thread[i]);
        if (rc == -ERANGE)
            json_fail(&file->json, "a number in it refers to nothing");
        else
            note(file, rc);
    }
    free(naming.node);
    free(naming.frame);
    for (size_t i = first; i < file->reading->profiles; i++)
        build_finish(file->reading->profile[i]);
    if (file->reading->profiles == first)
        json_fail(&file->json, "there are no samples in it");
}

static void firefox_free(struct firefox *file)
{
    for (size_t i = 0; i < file->threads; i++) {
        firefox_tables_free(&file->thread[i].own);
        free(file->thread[i].stack.value);
        free(file->thread[i].weight);
    }
    firefox_tables_free(&file->shared);
    free(file->thread);
    free(file->lib);
    free(file);
}

int firefox_read(struct source *in, struct reading *reading)
{
    struct firefox *file = calloc(1, sizeof *file);
    const size_t first = reading->profiles;
    int rc;

    if (!file)
        return build_fail(reading, in, -ENOMEM, NULL);
    json_init(&file->json, in);
    file->reading = reading;
    read_top(file);
    if (!file->json.error)
        add_threads(file, first);
    rc = file->rc ? file->rc : file->json.error ? -EINVAL : 0;
    if (rc)
        build_fail(reading, in, rc, file->json.error);
    firefox_free(file);
    return rc;
}
