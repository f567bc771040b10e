/* SPDX-License-Identifier: Apache-2.0 */
#include "merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/tables.h"
#include "build.h"

static int merge_frame(struct reading *reading, struct read_profile *to, const struct read_profile *from,
                       uint32_t frame, uint32_t *number)
{
    const struct read_function *old = &from->function[from->frame[frame].function];
    const struct read_function function = {
        .name = build_text(reading, old->name),
        .file = build_text(reading, old->file),
        .module = build_text(reading, old->module),
        .line = old->line,
    };
    struct read_frame copy = from->frame[frame];
    int rc = tables_function(to, &function, &copy.function);

    return rc ? rc : tables_frame(to, &copy, number);
}

static int merge_nodes(struct reading *reading, struct read_profile *to, const struct read_profile *from,
                       uint32_t *node)
{
    uint32_t *frame = calloc(from->frames + 1, sizeof *frame);
    int rc = frame ? 0 : -ENOMEM;

    for (size_t i = 0; i < from->frames && !rc; i++)
        rc = merge_frame(reading, to, from, (uint32_t)i, &frame[i]);
    for (size_t i = 1; i < from->nodes && !rc; i++)
        rc = tables_node(to, node[from->node[i].parent], frame[from->node[i].frame], &node[i]);
    free(frame);
    return rc;
}

static int merge_set(struct reading *reading, struct read_profile *to, const struct read_set *from,
                     uint32_t *set)
{
    struct read_label *label = calloc(from->labels + 1, sizeof *label);
    struct read_set copy = *from;
    int rc;

    if (!label)
        return -ENOMEM;
    copy.thread = build_text(reading, from->thread);
    copy.label = label;
    for (uint32_t i = 0; i < from->labels; i++) {
        label[i] = from->label[i];
        label[i].key = build_text(reading, from->label[i].key);
        label[i].text = from->label[i].text ? build_text(reading, from->label[i].text) : NULL;
        label[i].unit = from->label[i].unit ? build_text(reading, from->label[i].unit) : NULL;
    }
    rc = tables_set(to, &reading->store, &copy, set);
    free(label);
    return rc;
}

int merge_tables(struct reading *reading, struct read_profile *to, const struct read_profile *from,
                 struct merge_map *map)
{
    int rc;

    map->node = calloc(from->nodes, sizeof *map->node);
    map->set = calloc(from->sets, sizeof *map->set);
    rc = map->node && map->set ? merge_nodes(reading, to, from, map->node) : -ENOMEM;
    for (size_t i = 0; i < from->sets && !rc; i++)
        rc = merge_set(reading, to, &from->set[i], &map->set[i]);
    return rc;
}

void merge_map_free(struct merge_map *map)
{
    free(map->node);
    free(map->set);
}

static int merge_profile(struct reading *reading, struct read_profile *to, const struct read_profile *from)
{
    struct merge_map map;
    int rc = merge_tables(reading, to, from, &map);

    for (size_t i = 0; i < from->samples && !rc; i++)
        rc = tables_add(to, map.node[from->sample[i].node], map.set[from->sample[i].set],
                        &from->value[i * from->types]);
    merge_map_free(&map);
    return rc;
}

int merge_reading(struct reading *reading, const struct reading *from)
{
    int rc = 0;

    for (size_t i = 0; i < from->profiles && !rc; i++) {
        const struct read_profile *profile = from->profile[i];
        struct read_profile *to =
            build_profile(reading, profile->program, profile->kind, profile->type, profile->types);
        rc = to ? merge_profile(reading, to, profile) : -ENOMEM;
    }
    return rc;
}
