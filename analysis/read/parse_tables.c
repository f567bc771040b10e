/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse_state.h"
#include "uploader/base/array.h"

uint32_t by_id_get(const struct by_id *ids, uint64_t id)
{
    if (id < ids->room)
        return ids->entry[id];
    return (uint32_t)(uintptr_t)hash_get(&ids->others, id);
}

/* Entries are numbered in the order of the file. The first one with an id counts. */
static int by_id_put(struct by_id *ids, size_t most, uint64_t id, size_t index)
{
    if (!ids->entry) {
        ids->room = most + 1;
        ids->entry = calloc(ids->room, sizeof *ids->entry);
        if (!ids->entry)
            return -ENOMEM;
    }
    if (id >= ids->room)
        return by_id_get(ids, id) ? 0 : hash_put(&ids->others, id, (void *)(uintptr_t)(index + 1));
    if (!ids->entry[id])
        ids->entry[id] = (uint32_t)(index + 1);
    return 0;
}

static int read_mapping(struct parse *parse, struct wire wire)
{
    struct wire_field field;
    uint64_t id = 0;
    int64_t file = 0;

    while (wire_next(&wire, &field)) {
        if (field.number == 1)
            id = field.value;
        if (field.number == 5)
            file = (int64_t)field.value;
    }
    parse->mapping[parse->mappings_read] = parse_text(parse, file);
    return by_id_put(&parse->mapping_ids, parse->mappings, id, parse->mappings_read++);
}

static int read_function(struct parse *parse, struct wire wire)
{
    struct parse_function *function = &parse->function[parse->functions_read];
    struct wire_field field;
    uint64_t id = 0;

    while (wire_next(&wire, &field)) {
        if (field.number == 1)
            id = field.value;
        if (field.number == 2)
            function->name = (int64_t)field.value;
        if (field.number == 3)
            function->system_name = (int64_t)field.value;
        if (field.number == 4)
            function->file = (int64_t)field.value;
        if (field.number == 5)
            function->line = (int64_t)field.value;
    }
    return by_id_put(&parse->function_ids, parse->functions, id, parse->functions_read++);
}

/* As pprof shows an address without a name. */
static const char *name_address(struct parse *parse, const char *module, uint64_t address)
{
    char name[4096];

    if (*module)
        snprintf(name, sizeof name, "[%s]", read_base_name(module));
    else
        snprintf(name, sizeof name, "%016llx", (unsigned long long)address);
    return store_text(&parse->reading->store, name, strlen(name));
}

static int add_frame(struct parse *parse, const struct read_function *function, int64_t line, bool inlined)
{
    struct read_frame frame = {.inlined = inlined, .line = line};
    int rc = tables_function(parse->profile, function, &frame.function);
    uint32_t *grown;

    if (rc)
        return rc;
    grown = array_reserve(parse->frame, &parse->frames_room, parse->frames, sizeof *grown);
    if (!grown || parse->frames >= TABLES_MOST)
        return grown ? -E2BIG : -ENOMEM;
    parse->frame = grown;
    return tables_frame(parse->profile, &frame, &parse->frame[parse->frames++]);
}

static int add_line(struct parse *parse, struct wire wire, const char *module, bool inlined)
{
    const char *empty = parse->string[0];
    struct read_function function = {.name = empty, .file = empty, .module = module};
    const struct parse_function *from;
    struct wire_field field;
    uint64_t id = 0;
    uint32_t entry;
    int64_t line = 0;

    while (wire_next(&wire, &field)) {
        if (field.number == 1)
            id = field.value;
        if (field.number == 2)
            line = (int64_t)field.value;
    }
    entry = by_id_get(&parse->function_ids, id);
    if (!entry)
        return reading_fail(parse->reading, -EINVAL,
                            "%s: a location names function %llu, which the profile has not", parse->name,
                            (unsigned long long)id);
    from = &parse->function[entry - 1];
    function.name = parse_text(parse, from->name);
    if (!*function.name)
        function.name = parse_text(parse, from->system_name);
    if (!*function.name)
        function.name = name_address(parse, module, 0);
    function.file = parse_text(parse, from->file);
    function.line = from->line;
    return add_frame(parse, &function, line, inlined);
}

static int add_unnamed(struct parse *parse, const char *module, uint64_t address)
{
    const char *empty = parse->string[0];
    const struct read_function function = {name_address(parse, module, address), empty, module, 0};

    return add_frame(parse, &function, 0, false);
}

/* Lines are innermost first in the file, and outermost first in the table. */
static int read_location(struct parse *parse, struct wire wire)
{
    struct parse_location *location = &parse->location[parse->locations_read];
    struct wire line[LINES_MOST];
    struct wire_field field;
    uint64_t id = 0, mapping = 0, address = 0;
    const char *module;
    unsigned lines = 0;
    int rc = 0;

    while (wire_next(&wire, &field)) {
        if (field.number == 1)
            id = field.value;
        if (field.number == 2)
            mapping = field.value;
        if (field.number == 3)
            address = field.value;
        if (field.number == 4 && field.is_bytes && lines < LINES_MOST)
            line[lines++] = field.nested;
    }
    mapping = by_id_get(&parse->mapping_ids, mapping);
    module = mapping ? parse->mapping[mapping - 1] : parse->string[0];
    location->first = (uint32_t)parse->frames;
    for (unsigned i = lines; i-- && !rc;)
        rc = add_line(parse, line[i], module, i != lines - 1);
    if (!lines)
        rc = add_unnamed(parse, module, address);
    location->count = (uint32_t)parse->frames - location->first;
    return rc ? rc : by_id_put(&parse->location_ids, parse->locations, id, parse->locations_read++);
}

/* One kind of entry; locations need the others. */
static int read_entries(struct parse *parse, uint32_t number, int (*read)(struct parse *, struct wire))
{
    struct wire wire = parse->whole;
    struct wire_field field;
    int rc = 0;

    while (!rc && wire_next(&wire, &field))
        if (field.number == number)
            rc = read(parse, field.nested);
    return rc;
}

int parse_tables(struct parse *parse)
{
    int rc = 0;

    parse->reading->error[0] = '\0';
    parse->mapping = calloc(parse->mappings + 1, sizeof *parse->mapping);
    parse->function = calloc(parse->functions + 1, sizeof *parse->function);
    parse->location = calloc(parse->locations + 1, sizeof *parse->location);
    if (!parse->mapping || !parse->function || !parse->location)
        rc = -ENOMEM;
    if (!rc)
        rc = read_entries(parse, FIELD_MAPPING, read_mapping);
    if (!rc)
        rc = read_entries(parse, FIELD_FUNCTION, read_function);
    if (!rc)
        rc = read_entries(parse, FIELD_LOCATION, read_location);
    if (rc && !parse->reading->error[0])
        reading_fail(parse->reading, rc, "%s: %s", parse->name,
                     rc == -ENOMEM ? "not enough memory" : "the profile has too many functions");
    return rc;
}
