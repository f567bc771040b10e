/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speedscope's files: https://www.speedscope.app/file-format-schema.json. The table of frames may come after what refers
 * to it, so nodes have the file's numbers until all is read. A profile of the file has one unit, and what is equal in
 * program and kind is added up; the names of the profiles become threads.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/bytes/json_reader.h"
#include "analysis/tables/tables.h"
#include "build.h"
#include "titles.h"
#include "uploader/base/array.h"

enum { FRAMES_MOST = 1 << 24, STACK_MOST = 1 << 20 };

struct speedscope {
    struct json json;
    struct reading *reading;
    int rc; /* the first failure that is none of the text's */

    struct build_frame *frame;
    size_t frames, frame_room;

    /* Of the profile that is being read. Its stacks are nodes of this one, because its unit may follow them. */
    struct read_profile *stacks;
    uint32_t *node; /* of each sample */
    double *weight;
    size_t nodes, node_room, weights, weight_room;
    char name[TITLE_BYTES], unit[32];
    bool has_events;
    double at; /* of the last event */
    size_t profiles, named;
};

static void note(struct speedscope *file, int rc)
{
    if (rc && !file->rc) {
        file->rc = rc;
        json_fail(&file->json, strerror(-rc));
    }
}

static void read_frame(struct speedscope *file)
{
    struct build_frame frame = {.name = "", .file = "", .module = ""}, *grown;

    for (json_object(&file->json); json_key(&file->json);)
        if (json_is(&file->json, "name"))
            frame.name = build_text(file->reading, json_text_or_null(&file->json));
        else if (json_is(&file->json, "file"))
            frame.file = build_text(file->reading, json_text_or_null(&file->json));
        else if (json_is(&file->json, "line"))
            frame.line = json_line(&file->json);
        else
            json_skip(&file->json);
    if (file->frames == FRAMES_MOST) {
        json_fail(&file->json, "at most 16777216 frames are expected");
        return;
    }
    grown = array_reserve(file->frame, &file->frame_room, file->frames, sizeof *grown);
    if (!grown) {
        note(file, -ENOMEM);
        return;
    }
    file->frame = grown;
    file->frame[file->frames++] = frame;
}

static void read_shared(struct speedscope *file)
{
    for (json_object(&file->json); json_key(&file->json);) {
        if (!json_is(&file->json, "frames")) {
            json_skip(&file->json);
            continue;
        }
        for (json_array(&file->json); json_more(&file->json);)
            read_frame(file);
    }
}

static void push_node(struct speedscope *file, uint32_t node)
{
    uint32_t *grown = array_reserve(file->node, &file->node_room, file->nodes, sizeof *grown);

    if (!grown) {
        note(file, -ENOMEM);
        return;
    }
    file->node = grown;
    file->node[file->nodes++] = node;
}

static void push_weight(struct speedscope *file, double weight)
{
    double *grown = array_reserve(file->weight, &file->weight_room, file->weights, sizeof *grown);

    if (!grown) {
        note(file, -ENOMEM);
        return;
    }
    file->weight = grown;
    file->weight[file->weights++] = weight;
}

static void read_samples(struct speedscope *file)
{
    for (json_array(&file->json); json_more(&file->json);) {
        uint32_t node = 0;
        size_t depth = 0;
        for (json_array(&file->json); json_more(&file->json); depth++) {
            uint32_t frame = (uint32_t)json_integer(&file->json, 0, FRAMES_MOST - 1);
            if (depth == STACK_MOST)
                json_fail(&file->json, "a stack of at most 1048576 frames is expected");
            if (!file->json.error)
                note(file, tables_node(file->stacks, node, frame, &node));
        }
        if (!file->json.error)
            push_node(file, node);
    }
}

static void read_weights(struct speedscope *file)
{
    for (json_array(&file->json); json_more(&file->json);)
        push_weight(file, json_number(&file->json));
}

/* What passed since the last event belongs to the stack that was open. */
static void take_event(struct speedscope *file, uint32_t *node, char type, int64_t frame, double at)
{
    if (!type || frame < 0) {
        json_fail(&file->json, "an event with type, frame and at is expected");
        return;
    }
    if (file->nodes && at < file->at)
        json_fail(&file->json, "events in the order of their time are expected");
    push_node(file, *node);
    push_weight(file, file->nodes > 1 ? at - file->at : 0);
    file->at = at;
    if (type == 'O')
        note(file, tables_node(file->stacks, *node, (uint32_t)frame, node));
    else if (!*node || file->stacks->node[*node].frame != (uint32_t)frame)
        json_fail(&file->json, "the frame that was opened last is expected to be closed first");
    else
        *node = file->stacks->node[*node].parent;
}

static void read_events(struct speedscope *file)
{
    uint32_t node = 0;

    file->has_events = true;
    for (json_array(&file->json); json_more(&file->json);) {
        int64_t frame = -1;
        double at = 0;
        char type = 0;
        for (json_object(&file->json); json_key(&file->json);)
            if (json_is(&file->json, "type"))
                type = *json_text(&file->json) == 'O' ? 'O' : 'C';
            else if (json_is(&file->json, "frame"))
                frame = json_integer(&file->json, 0, FRAMES_MOST - 1);
            else if (json_is(&file->json, "at"))
                at = json_number(&file->json);
            else
                json_skip(&file->json);
        if (!file->json.error)
            take_event(file, &node, type, frame, at);
    }
}

static const struct unit {
    const char *name;
    struct read_type type;
    double scale;
} units[] = {
    {"none", {"samples", "count"}, 1},
    {"nanoseconds", {"time", "nanoseconds"}, 1},
    {"microseconds", {"time", "nanoseconds"}, 1e3},
    {"milliseconds", {"time", "nanoseconds"}, 1e6},
    {"seconds", {"time", "nanoseconds"}, 1e9},
    {"bytes", {"space", "bytes"}, 1},
};

static const struct unit *find_unit(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(units[i].name, name))
            return &units[i];
    return NULL;
}

/* Fractions are carried on, so that the total stays what it is. */
static void add_samples(struct speedscope *file, struct read_profile *profile, uint32_t set, unsigned type,
                        double scale)
{
    double left = 0;

    for (size_t i = 0; i < file->nodes && !file->json.error; i++) {
        int64_t value[READ_TYPES] = {0};
        double weight = file->weight[i] * scale + left;
        if (fabs(weight) > 9e18) {
            json_fail(&file->json, "weights below 9e18 are expected");
            return;
        }
        value[type] = llround(weight);
        left = weight - (double)value[type];
        if (value[type])
            note(file, tables_add(profile, file->node[i], set, value));
    }
}

/* The stacks of the profile of the file, as nodes of the one that they are added to. */
static void move_nodes(struct speedscope *file, struct read_profile *profile)
{
    const struct read_profile *stacks = file->stacks;
    uint32_t *moved = calloc(stacks->nodes, sizeof *moved);

    if (!moved)
        note(file, -ENOMEM);
    for (size_t i = 1; moved && i < stacks->nodes && !file->json.error; i++)
        note(file, tables_node(profile, moved[stacks->node[i].parent], stacks->node[i].frame, &moved[i]));
    for (size_t i = 0; i < file->nodes && moved; i++)
        file->node[i] = moved[file->node[i]];
    free(moved);
}

static void end_profile(struct speedscope *file)
{
    struct title title;
    const bool ours = !title_parse(&title, file->name);
    const struct unit *unit = find_unit(file->unit);
    struct read_profile *profile;
    uint32_t set = 0;

    if (!unit)
        json_fail(&file->json,
                  "a unit is expected: none, nanoseconds, microseconds, milliseconds, seconds or bytes");
    else if (file->nodes != file->weights)
        json_fail(&file->json, "as many weights as samples are expected");
    if (file->json.error || !unit)
        return;
    if (ours)
        profile = build_profile(file->reading, title.program, title.kind, title.types, title.count);
    else
        profile = build_profile(file->reading, "", unit->type.type, &unit->type, 1);
    note(file, profile ? 0 : -ENOMEM);
    if (!profile)
        return;
    move_nodes(file, profile);
    note(file, build_thread(file->reading, profile, ours ? title.thread : file->name, 0, &set));
    add_samples(file, profile, set, ours ? title.type : 0, unit->scale);
    file->named += !ours;
    file->profiles++;
}

static void read_profile(struct speedscope *file)
{
    struct json *json = &file->json;

    file->nodes = file->weights = 0;
    file->name[0] = 0;
    strcpy(file->unit, "none");
    file->stacks = tables_new(&file->reading->store);
    note(file, file->stacks ? 0 : -ENOMEM);
    for (json_object(json); json_key(json);)
        if (json_is(json, "name"))
            strncat(file->name, json_text_or_null(json), sizeof file->name - 1);
        else if (json_is(json, "unit"))
            strncpy(file->unit, json_text(json), sizeof file->unit - 1);
        else if (json_is(json, "samples"))
            read_samples(file);
        else if (json_is(json, "weights"))
            read_weights(file);
        else if (json_is(json, "events"))
            read_events(file);
        else
            json_skip(json);
    if (!json->error)
        end_profile(file);
    if (file->stacks)
        tables_free(file->stacks);
}

static void read_top(struct speedscope *file)
{
    struct json *json = &file->json;

    for (json_object(json); json_key(json);) {
        if (json_is(json, "shared"))
            read_shared(file);
        else if (!json_is(json, "profiles"))
            json_skip(json);
        else
            for (json_array(json); json_more(json);)
                read_profile(file);
    }
    json_end(json);
}

/* The name of the only profile of a file says nothing about threads. */
static void forget_only_name(const struct speedscope *file)
{
    if (file->profiles != 1 || file->named != 1)
        return;
    for (size_t i = 0; i < file->reading->profiles; i++)
        for (size_t s = 0; s < file->reading->profile[i]->sets; s++)
            file->reading->profile[i]->set[s].thread = build_text(file->reading, "");
}

static void resolve(struct speedscope *file, size_t first)
{
    for (size_t i = first; i < file->reading->profiles && !file->json.error; i++) {
        int rc = build_resolve(file->reading, &file->reading->profile[i], file->frame, file->frames);
        if (rc == -ERANGE)
            json_fail(&file->json, "a stack has a frame that is not in the table of frames");
        else
            note(file, rc);
        if (!rc)
            build_finish(file->reading->profile[i]);
    }
}

int speedscope_read(struct source *in, struct reading *reading)
{
    struct speedscope *file = calloc(1, sizeof *file);
    const size_t first = reading->profiles;
    int rc = file ? 0 : -ENOMEM;

    if (file) {
        json_init(&file->json, in);
        file->reading = reading;
        read_top(file);
        if (!file->json.error && !file->profiles)
            json_fail(&file->json, "there is no profile in it");
        forget_only_name(file);
        resolve(file, first);
        rc = file->rc;
        if (!rc && file->json.error)
            rc = -EINVAL;
    }
    if (rc)
        build_fail(reading, in, rc, file ? file->json.error : NULL);
    if (file) {
        free(file->frame);
        free(file->node);
        free(file->weight);
    }
    free(file);
    return rc;
}
