/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof out of a reading. uploader/pprof/ encodes what was sampled, with addresses and ELF modules; a reading has neither.
 * Each message is packed as a Profile that holds nothing else: in a row they are the message that holds them all.
 * Functions and modules come first and samples last, because their numbers are those of the reading.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/hash.h"
#include "uploader/base/ids.h"
#include "uploader/pprof/output.h"
#include "uploader/pprof/profile.pb-c.h"
#include "write.h"

struct encoder {
    struct output out;
    const struct read_profile *profile;
    unsigned first, values; /* types */
    struct text_ids strings, modules;
    struct ids lines; /* frame, number of the line that it is inlined into or 0: the lines of a location */
    struct ids locations; /* number of the innermost line */
    uint64_t *location;   /* of the present sample */
    int error;
};

static void emit(struct encoder *encoder, const Cprof__Profile *part)
{
    cprof__profile__pack_to_buffer(part, &encoder->out.base);
}

/* The store of a reading gives equal texts one address, and they outlive the encoder. */
static int64_t string_index(struct encoder *encoder, const char *text)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    bool added;
    uint32_t number = text_ids_get(&encoder->strings, text, &added);
    char *list = (char *)text;

    if (!number) {
        encoder->error = -ENOMEM;
        return 0;
    }
    if (added) {
        part.n_string_table = 1;
        part.string_table = &list;
        emit(encoder, &part);
    }
    return number - 1;
}

static uint64_t module_id(struct encoder *encoder, const char *module)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Mapping mapping = CPROF__MAPPING__INIT, *list = &mapping;
    bool added;
    uint32_t number = text_ids_get(&encoder->modules, module, &added);

    if (!number)
        encoder->error = -ENOMEM;
    if (!added || !number)
        return number;
    mapping.id = number;
    mapping.filename = string_index(encoder, module);
    mapping.has_functions = mapping.has_filenames = mapping.has_line_numbers = mapping.has_inline_frames =
        true;
    part.n_mapping = 1;
    part.mapping = &list;
    emit(encoder, &part);
    return number;
}

static void emit_functions(struct encoder *encoder)
{
    for (size_t i = 0; i < encoder->profile->functions && !encoder->error; i++) {
        const struct read_function *from = &encoder->profile->function[i];
        Cprof__Profile part = CPROF__PROFILE__INIT;
        Cprof__Function function = CPROF__FUNCTION__INIT, *list = &function;
        function.id = i + 1;
        function.name = string_index(encoder, from->name);
        function.filename = string_index(encoder, from->file);
        function.start_line = from->line;
        part.n_function = 1;
        part.function = &list;
        emit(encoder, &part);
    }
}

/* line: the innermost one's number in encoder->lines. */
static void emit_location(struct encoder *encoder, uint64_t id, uint32_t line)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Location location = CPROF__LOCATION__INIT, *list = &location;
    Cprof__Line *lines;
    Cprof__Line **pointers;
    size_t count = 0;

    for (uint32_t at = line; at; at = (uint32_t)encoder->lines.key[2 * (at - 1) + 1])
        count++;
    lines = calloc(count + 1, sizeof *lines);
    pointers = calloc(count + 1, sizeof(*pointers));
    for (size_t i = 0; lines && pointers && i < count; i++) {
        const struct read_frame *frame = &encoder->profile->frame[encoder->lines.key[2 * (line - 1)]];
        cprof__line__init(&lines[i]);
        lines[i].function_id = frame->function + 1;
        lines[i].line = frame->line;
        pointers[i] = &lines[i];
        if (i + 1 == count && *encoder->profile->function[frame->function].module)
            location.mapping_id = module_id(encoder, encoder->profile->function[frame->function].module);
        line = (uint32_t)encoder->lines.key[2 * (line - 1) + 1];
    }
    location.id = id;
    location.n_line = count;
    location.line = pointers;
    part.n_location = 1;
    part.location = &list;
    if (lines && pointers)
        emit(encoder, &part);
    else
        encoder->error = -ENOMEM;
    free(lines);
    free(pointers);
}

/* The number of the line of this node, inlined into those of its callers. */
static uint32_t line_number(struct encoder *encoder, const uint32_t *outer, uint32_t frame)
{
    const uint64_t key[2] = {frame, encoder->profile->frame[frame].inlined ? *outer : 0};
    uint32_t number = ids_get(&encoder->lines, key, NULL);

    if (!number)
        encoder->error = -ENOMEM;
    return number;
}

/* Of each node, the line's number: parents come first. */
static uint32_t *number_lines(struct encoder *encoder)
{
    const struct read_profile *profile = encoder->profile;
    uint32_t *line = calloc(profile->nodes, sizeof *line);

    if (!line)
        encoder->error = -ENOMEM;
    for (size_t i = 1; line && i < profile->nodes && !encoder->error; i++)
        line[i] = line_number(encoder, &line[profile->node[i].parent], profile->node[i].frame);
    return line;
}

/* A frame that is inlined has its caller in the same location. */
static size_t stack_locations(struct encoder *encoder, const uint32_t *line, uint32_t node)
{
    const struct read_profile *profile = encoder->profile;
    size_t count = 0;

    while (node) {
        bool added;
        uint32_t id = ids_get(&encoder->locations, &(uint64_t){line[node]}, &added);
        if (!id) {
            encoder->error = -ENOMEM;
            return 0;
        }
        if (added)
            emit_location(encoder, id, line[node]);
        encoder->location[count++] = id;
        while (profile->frame[profile->node[node].frame].inlined && profile->node[node].parent)
            node = profile->node[node].parent;
        node = profile->node[node].parent;
    }
    return count;
}

static size_t set_labels(struct encoder *encoder, const struct read_set *set, Cprof__Label *label)
{
    size_t count = 0;

    for (uint32_t i = 0; i < set->labels + 2; i++)
        cprof__label__init(&label[i]);
    if (set->pid) {
        label[count].key = string_index(encoder, "pid");
        label[count++].num = set->pid;
    }
    if (*set->thread) {
        label[count].key = string_index(encoder, "thread");
        label[count++].str = string_index(encoder, set->thread);
    }
    for (uint32_t i = 0; i < set->labels; i++, count++) {
        label[count].key = string_index(encoder, set->label[i].key);
        if (set->label[i].text)
            label[count].str = string_index(encoder, set->label[i].text);
        label[count].num = set->label[i].text ? 0 : set->label[i].number;
        if (!set->label[i].text && set->label[i].unit && *set->label[i].unit)
            label[count].num_unit = string_index(encoder, set->label[i].unit);
    }
    return count;
}

static void emit_sample(struct encoder *encoder, size_t number, const uint32_t *line)
{
    const struct read_profile *profile = encoder->profile;
    const struct read_set *set = &profile->set[profile->sample[number].set];
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Sample sample = CPROF__SAMPLE__INIT, *list = &sample;
    Cprof__Label *label = calloc(set->labels + 2, sizeof *label);
    Cprof__Label **labels = calloc(set->labels + 2, sizeof(*labels));

    if (label && labels) {
        sample.n_location_id = stack_locations(encoder, line, profile->sample[number].node);
        sample.location_id = encoder->location;
        sample.n_value = encoder->values;
        sample.value = &profile->value[number * profile->types + encoder->first];
        sample.n_label = set_labels(encoder, set, label);
        for (size_t i = 0; i < sample.n_label; i++)
            labels[i] = &label[i];
        sample.label = labels;
        part.n_sample = 1;
        part.sample = &list;
        emit(encoder, &part);
    } else {
        encoder->error = -ENOMEM;
    }
    free(label);
    free(labels);
}

static bool has_value(const struct encoder *encoder, size_t sample)
{
    for (unsigned i = 0; i < encoder->values; i++)
        if (encoder->profile->value[sample * encoder->profile->types + encoder->first + i])
            return true;
    return false;
}

static void emit_comments(struct encoder *encoder)
{
    for (size_t i = 0; i < encoder->profile->comments; i++) {
        Cprof__Profile part = CPROF__PROFILE__INIT;
        int64_t index = string_index(encoder, encoder->profile->comment[i]);
        part.n_comment = 1;
        part.comment = &index;
        emit(encoder, &part);
    }
}

static void set_type(struct encoder *encoder, Cprof__ValueType *to, const struct read_type *from)
{
    cprof__value_type__init(to);
    to->type = string_index(encoder, from->type ? from->type : "");
    to->unit = string_index(encoder, from->unit ? from->unit : "");
}

static void emit_head(struct encoder *encoder)
{
    const struct read_profile *profile = encoder->profile;
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__ValueType type[READ_TYPES], *types[READ_TYPES], period;

    for (unsigned i = 0; i < encoder->values; i++) {
        set_type(encoder, &type[i], &profile->type[encoder->first + i]);
        types[i] = &type[i];
    }
    set_type(encoder, &period, &profile->period_type);
    part.n_sample_type = encoder->values;
    part.sample_type = types;
    part.period_type = &period;
    part.period = profile->period;
    part.time_nanos = profile->start_ns;
    part.duration_nanos = profile->duration_ns;
    if (encoder->values == profile->types)
        part.default_sample_type = string_index(encoder, profile->type[profile->default_type].type);
    emit(encoder, &part);
}

static void encode(struct encoder *encoder)
{
    const struct read_profile *profile = encoder->profile;
    uint32_t *line;

    string_index(encoder, "");
    if (*profile->program) /* the first mapping is the program's */
        module_id(encoder, profile->program);
    emit_head(encoder);
    emit_functions(encoder);
    line = number_lines(encoder);
    for (size_t i = 0; line && i < profile->samples && !encoder->error && !encoder->out.error; i++)
        if (has_value(encoder, i))
            emit_sample(encoder, i, line);
    emit_comments(encoder);
    free(line);
}

int pprof_encode(const struct choice *choice, uint8_t **data, size_t *size)
{
    const struct chosen *item = choice->item;
    struct encoder *encoder = calloc(1, sizeof *encoder);
    int rc;

    if (!encoder)
        return -ENOMEM;
    encoder->profile = item->profile;
    encoder->first = item->type == ALL_TYPES ? 0 : (unsigned)item->type;
    encoder->values = item->type == ALL_TYPES ? item->profile->types : 1;
    encoder->lines.words = 2;
    encoder->locations.words = 1;
    encoder->location = calloc(item->profile->nodes, sizeof *encoder->location);
    rc = encoder->location ? output_init(&encoder->out) : -ENOMEM;
    if (!rc) {
        encode(encoder);
        rc = encoder->error ? encoder->error : output_finish(&encoder->out);
        *data = encoder->out.data;
        *size = encoder->out.size;
        if (!rc)
            encoder->out.data = NULL;
        output_free(&encoder->out);
    }
    text_ids_free(&encoder->strings);
    text_ids_free(&encoder->modules);
    ids_free(&encoder->lines);
    ids_free(&encoder->locations);
    free(encoder->location);
    free(encoder);
    return rc;
}
