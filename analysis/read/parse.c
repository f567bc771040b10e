/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse_state.h"
#include "uploader/base/array.h"

/* The first pass. */
static int count_fields(struct parse *parse)
{
    struct wire wire = parse->whole;
    struct wire_field field;
    size_t types = 0;

    while (wire_next(&wire, &field)) {
        bool should_be_bytes = (field.number >= FIELD_SAMPLE_TYPE && field.number <= FIELD_STRING) ||
                               field.number == FIELD_PERIOD_TYPE;
        if (should_be_bytes && !field.is_bytes)
            wire.broken = true;
        types += field.number == FIELD_SAMPLE_TYPE;
        parse->samples += field.number == FIELD_SAMPLE;
        parse->mappings += field.number == FIELD_MAPPING;
        parse->locations += field.number == FIELD_LOCATION;
        parse->functions += field.number == FIELD_FUNCTION;
        parse->strings += field.number == FIELD_STRING;
    }
    if (wire.broken && (!types || !parse->strings))
        return reading_fail(parse->reading, -EINVAL, "%s: this is no pprof profile", parse->name);
    if (wire.broken)
        return reading_fail(
            parse->reading, -EINVAL, "%s: the profile is damaged or cut off at byte %zu of %zu", parse->name,
            (size_t)(wire.at - parse->whole.at), (size_t)(parse->whole.end - parse->whole.at));
    if (!types || !parse->strings)
        return reading_fail(parse->reading, -EINVAL, "%s: this is no pprof profile: it has no %s",
                            parse->name, types ? "texts" : "types of values");
    if (types > READ_TYPES)
        return reading_fail(parse->reading, -E2BIG, "%s: the profile has %zu types of values, more than %d",
                            parse->name, types, READ_TYPES);
    return 0;
}

static int read_strings(struct parse *parse)
{
    struct wire wire = parse->whole;
    struct wire_field field;
    size_t count = 0;

    parse->string = calloc(parse->strings + 1, sizeof *parse->string);
    if (!parse->string)
        return reading_fail(parse->reading, -ENOMEM, "%s: not enough memory", parse->name);
    while (wire_next(&wire, &field))
        if (field.number == FIELD_STRING)
            parse->string[count++] = store_text(&parse->reading->store, (const char *)field.nested.at,
                                                (size_t)(field.nested.end - field.nested.at));
    if (!count || *parse->string[0])
        return reading_fail(parse->reading, -EINVAL,
                            "%s: this is no pprof profile: its first text is not empty", parse->name);
    return 0;
}

static struct read_type read_type(const struct parse *parse, struct wire wire)
{
    int64_t type = 0, unit = 0;
    struct wire_field field;

    while (wire_next(&wire, &field)) {
        if (field.number == 1)
            type = (int64_t)field.value;
        if (field.number == 2)
            unit = (int64_t)field.value;
    }
    return (struct read_type){parse_text(parse, type), parse_text(parse, unit)};
}

static void read_comments(struct parse *parse, struct wire_field *field)
{
    uint64_t index;

    while (wire_number(field, &index))
        if (parse->comments < COMMENTS_MOST)
            parse->comment[parse->comments++] = (int64_t)index;
}

/* What stands once in a profile. */
static void read_head(struct parse *parse)
{
    struct wire wire = parse->whole;
    struct wire_field field;

    parse->period_type = (struct read_type){parse->string[0], parse->string[0]};
    while (wire_next(&wire, &field)) {
        switch (field.number) {
        case FIELD_SAMPLE_TYPE:
            parse->type[parse->types++] = read_type(parse, field.nested);
            break;
        case FIELD_TIME:
            parse->time_ns = (int64_t)field.value;
            break;
        case FIELD_DURATION:
            parse->duration_ns = (int64_t)field.value;
            break;
        case FIELD_PERIOD_TYPE:
            parse->period_type = read_type(parse, field.nested);
            break;
        case FIELD_PERIOD:
            parse->period = (int64_t)field.value;
            break;
        case FIELD_COMMENT:
            read_comments(parse, &field);
            break;
        case FIELD_DEFAULT_TYPE:
            parse->default_type = (int64_t)field.value;
            break;
        default:;
        }
    }
    if (parse->time_ns < 0 || parse->time_ns > INT64_MAX / 2)
        parse->time_ns = 0;
    if (parse->duration_ns < 0 || parse->duration_ns > INT64_MAX / 2)
        parse->duration_ns = 0;
}

static bool has_types(const struct read_profile *profile, const struct parse *parse)
{
    if (profile->types != parse->types)
        return false;
    for (unsigned i = 0; i < parse->types; i++)
        if (profile->type[i].type != parse->type[i].type || profile->type[i].unit != parse->type[i].unit)
            return false;
    return true;
}

/* The file of the first mapping, which is the program by pprof's rule. */
static const char *first_mapping(const struct parse *parse)
{
    struct wire wire = parse->whole;
    struct wire_field field;

    while (wire_next(&wire, &field)) {
        if (field.number != FIELD_MAPPING)
            continue;
        wire = field.nested;
        while (wire_next(&wire, &field))
            if (field.number == 5)
                return read_base_name(parse_text(parse, (int64_t)field.value));
        break;
    }
    return "";
}

static int add_comments(struct parse *parse)
{
    struct read_profile *profile = parse->profile;

    profile->comment = store_alloc(&parse->reading->store, (parse->comments + 1) * sizeof *profile->comment);
    if (!profile->comment)
        return -ENOMEM;
    for (unsigned i = 0; i < parse->comments; i++)
        profile->comment[profile->comments++] = parse_text(parse, parse->comment[i]);
    return 0;
}

static int new_profile(struct parse *parse, const char *program, const char *kind)
{
    struct reading *reading = parse->reading;
    struct read_profile *profile = tables_new(&reading->store), **grown;
    const char *first = parse_text(parse, parse->default_type);

    grown =
        profile ? array_reserve(reading->profile, &reading->room, reading->profiles, sizeof *grown) : NULL;
    if (!grown) {
        if (profile)
            tables_free(profile);
        return -ENOMEM;
    }
    reading->profile = grown;
    reading->profile[reading->profiles++] = parse->profile = profile;
    profile->kind = store_text(&reading->store, kind, strlen(kind));
    profile->program = store_text(&reading->store, program, strlen(program));
    profile->path = store_text(&reading->store, parse->name, strlen(parse->name));
    memcpy(profile->type, parse->type, sizeof profile->type);
    profile->types = parse->types;
    profile->default_type = parse->types - 1;
    for (unsigned i = 0; i < parse->types; i++)
        if (*first && profile->type[i].type == first)
            profile->default_type = i;
    profile->period_type = parse->period_type;
    profile->period = parse->period;
    return add_comments(parse);
}

static void add_span(struct read_profile *profile, int64_t start_ns, int64_t duration_ns)
{
    int64_t end_ns = start_ns + duration_ns;
    bool apart = !profile->files || start_ns >= profile->end_ns || end_ns <= profile->start_ns;

    if (!profile->files || start_ns < profile->start_ns)
        profile->start_ns = start_ns;
    if (end_ns > profile->end_ns)
        profile->end_ns = end_ns;
    if (apart)
        profile->duration_ns += duration_ns;
    else if (profile->duration_ns < profile->end_ns - profile->start_ns)
        profile->duration_ns = profile->end_ns - profile->start_ns;
    profile->files++;
}

/* Where the file belongs to. */
static int choose_profile(struct parse *parse)
{
    struct reading *reading = parse->reading;
    const char *program = reading->program ? reading->program : first_mapping(parse);
    const char *kind = reading->kind ? reading->kind : kind_of(parse->type, parse->types, parse->name);
    int rc = 0;

    for (size_t i = 0; i < reading->profiles && !parse->profile; i++) {
        struct read_profile *profile = reading->profile[i];
        if (profile->tables && !strcmp(profile->kind, kind) && !strcmp(profile->program, program) &&
            has_types(profile, parse))
            parse->profile = profile;
    }
    if (!parse->profile)
        rc = new_profile(parse, program, kind);
    if (rc)
        return reading_fail(reading, rc, "%s: not enough memory", parse->name);
    add_span(parse->profile, parse->time_ns, parse->duration_ns);
    return 0;
}

static void free_ids(struct by_id *ids)
{
    free(ids->entry);
    hash_free(&ids->others);
}

int parse_profile(struct reading *reading, const char *name, const uint8_t *data, size_t size)
{
    struct parse parse = {.reading = reading, .name = name, .whole = {.at = data, .end = data + size}};
    int rc = count_fields(&parse);

    if (!rc)
        rc = read_strings(&parse);
    if (!rc) {
        read_head(&parse);
        rc = choose_profile(&parse);
    }
    if (!rc)
        rc = parse_tables(&parse);
    if (!rc)
        rc = parse_samples(&parse);
    free(parse.string);
    free(parse.mapping);
    free(parse.function);
    free(parse.location);
    free(parse.frame);
    free_ids(&parse.mapping_ids);
    free_ids(&parse.function_ids);
    free_ids(&parse.location_ids);
    return rc;
}
