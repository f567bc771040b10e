/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse_state.h"

/* Frames that are looked up for one file. A small file may name a deep location again and again. */
#define STEPS_MOST (UINT64_C(1) << 31)

/* The sample before, root first: stacks that follow each other often have the same callers. */
struct walk {
    struct parse *parse;
    uint64_t *location, *last; /* STACK_MOST of each: of this sample leaf first, of the last one root first */
    uint32_t *node;            /* after each of last[] */
    size_t depth, last_depth;
    uint64_t steps;
    size_t number; /* of the sample, for messages */
    int64_t value[READ_TYPES];
    unsigned values;
    struct read_label label[LABELS_MOST];
    struct read_set set;
};

static int fail(const struct walk *walk, const char *what)
{
    return reading_fail(walk->parse->reading, -EINVAL, "%s: sample %zu %s", walk->parse->name, walk->number,
                        what);
}

static int enter_location(struct walk *walk, uint64_t id, uint32_t *node)
{
    struct parse *parse = walk->parse;
    uint32_t entry = by_id_get(&parse->location_ids, id);
    const struct parse_location *location;
    int rc = 0;

    if (!entry)
        return reading_fail(parse->reading, -EINVAL,
                            "%s: sample %zu names location %llu, which the profile has not", parse->name,
                            walk->number, (unsigned long long)id);
    location = &parse->location[entry - 1];
    walk->steps += location->count;
    if (walk->steps > STEPS_MOST)
        return reading_fail(parse->reading, -E2BIG, "%s: the profile's stacks have too many frames",
                            parse->name);
    for (uint32_t i = 0; i < location->count && !rc; i++)
        rc = tables_node(parse->profile, *node, parse->frame[location->first + i], node);
    if (rc)
        reading_fail(parse->reading, rc, "%s: %s", parse->name,
                     rc == -ENOMEM ? "not enough memory" : "the profile has too many stacks");
    return rc;
}

/* The node of the sample's leaf. */
static int enter_stack(struct walk *walk, uint32_t *node)
{
    size_t same = 0, depth = walk->depth;
    int rc = 0;

    while (same < depth && same < walk->last_depth && walk->last[same] == walk->location[depth - 1 - same])
        same++;
    *node = same ? walk->node[same - 1] : 0;
    for (size_t i = same; i < depth && !rc; i++) {
        walk->last[i] = walk->location[depth - 1 - i];
        rc = enter_location(walk, walk->last[i], node);
        walk->node[i] = *node;
    }
    walk->last_depth = depth;
    return rc;
}

static int take_numbers(struct walk *walk, struct wire_field *field)
{
    uint64_t number;

    while (wire_number(field, &number)) {
        if (field->number == 1) {
            if (walk->depth == STACK_MOST)
                return fail(walk, "has too many frames");
            walk->location[walk->depth++] = number;
        } else if (walk->values++ < READ_TYPES)
            walk->value[walk->values - 1] = (int64_t)number;
    }
    return field->is_bytes && field->nested.broken ? fail(walk, "is damaged") : 0;
}

/* Sets are compared label by label, so labels are sorted by their keys. */
static void take_label(struct walk *walk, struct wire wire)
{
    const struct parse *parse = walk->parse;
    struct wire_field field;
    int64_t value[5] = {0};
    struct read_label label;
    uint32_t at;

    while (wire_next(&wire, &field))
        if (field.number < 5)
            value[field.number] = (int64_t)field.value;
    label = (struct read_label){.key = parse_text(parse, value[1]), .number = value[3]};
    label.text = value[2] ? parse_text(parse, value[2]) : NULL;
    label.unit = parse_text(parse, value[4]);
    if (!strcmp(label.key, "pid") && !label.text)
        walk->set.pid = label.number;
    else if (!strcmp(label.key, "thread") && label.text)
        walk->set.thread = label.text;
    else if (walk->set.labels < LABELS_MOST) {
        for (at = walk->set.labels++; at && strcmp(walk->label[at - 1].key, label.key) > 0; at--)
            walk->label[at] = walk->label[at - 1];
        walk->label[at] = label;
    }
}

static int take_sample(struct walk *walk, struct wire wire)
{
    struct parse *parse = walk->parse;
    struct wire_field field;
    uint32_t node, set = 0;
    int rc = 0;

    walk->depth = walk->values = 0;
    walk->set = (struct read_set){.thread = parse->string[0], .label = walk->label};
    while (!rc && wire_next(&wire, &field)) {
        if (field.number == 1 || field.number == 2)
            rc = take_numbers(walk, &field);
        else if (field.number == 3 && field.is_bytes)
            take_label(walk, field.nested);
    }
    if (!rc && wire.broken)
        rc = fail(walk, "is damaged");
    if (!rc && walk->values != parse->types)
        rc = fail(walk, "has not one value of each type");
    if (!rc)
        rc = enter_stack(walk, &node);
    if (rc)
        return rc;
    rc = tables_set(parse->profile, &parse->reading->store, &walk->set, &set);
    if (!rc)
        rc = tables_add(parse->profile, node, set, walk->value);
    if (rc)
        reading_fail(parse->reading, rc, "%s: %s", parse->name,
                     rc == -ENOMEM ? "not enough memory" : "the profile has too many samples");
    return rc;
}

int parse_samples(struct parse *parse)
{
    struct walk walk = {.parse = parse};
    struct wire wire = parse->whole;
    struct wire_field field;
    int rc = 0;

    walk.location = malloc(STACK_MOST * sizeof *walk.location);
    walk.last = malloc(STACK_MOST * sizeof *walk.last);
    walk.node = malloc(STACK_MOST * sizeof *walk.node);
    if (!walk.location || !walk.last || !walk.node)
        rc = reading_fail(parse->reading, -ENOMEM, "%s: not enough memory", parse->name);
    while (!rc && wire_next(&wire, &field))
        if (field.number == FIELD_SAMPLE) {
            walk.number++;
            rc = take_sample(&walk, field.nested);
        }
    free(walk.location);
    free(walk.last);
    free(walk.node);
    return rc;
}
