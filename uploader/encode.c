/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoder streams: each string, function, location and sample is packed as a Profile that holds nothing
 * else. The concatenation of such messages is the message that holds them all (protobuf's rule for repeated
 * fields), so memory is needed for the tables of what was written already, and never for the profile as a
 * tree of objects.
 */
#include "encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "uploader/profile.pb-c.h"
#include "utf8.h"

enum {
    STAGE_BYTES = 16 * 1024,
    TEXT_BYTES = 16 * 1024, /* longest string; longer symbols are cut */
    GZIP_LEVEL = 4,
    GZIP_WINDOW = 15 + 16, /* zlib: a gzip header instead of its own */
    FUNCTION_WORDS = 4,
    /* Locations carry ELF virtual addresses. A module's are moved to a range of 2^40 of its own, or readers
       would take equal addresses of two modules for one place. */
    MODULE_SHIFT = 40,
};

struct output {
    ProtobufCBuffer base; /* first: protobuf-c hands it to output_append() */
    uint8_t stage[STAGE_BYTES];
    size_t staged;
    uint8_t *data;
    size_t size, room;
    size_t raw; /* bytes before compression */
    bool gzip;
    z_stream zip;
    int error;
};

/* Number given to each id of symbols.h, which are dense; 0: none yet. */
struct numbers {
    uint32_t *number;
    size_t room;
};

struct string_row {
    const char *text; /* NULL: free */
    int64_t index;
};

struct function_row {
    int64_t key[FUNCTION_WORDS]; /* name, system name, file, start line */
    uint64_t id;                 /* 0: free */
};

/* Of one piece. Both hash tables hold powers of two of rows, at most half of them used. */
struct encoder {
    struct output out;
    const struct profile_meta *meta;
    struct string_row *string;
    size_t string_rows;
    int64_t strings;
    struct function_row *function;
    size_t function_rows;
    uint64_t functions;
    struct numbers location, mapping;
    uint64_t locations;
    const struct symbol_module **module; /* by mapping id - 1; NULL: the executable, in no stack so far */
    size_t modules;
    char text[TEXT_BYTES];
};

static int output_reserve(struct output *out)
{
    size_t room = out->room ? out->room + out->room / 2 : STAGE_BYTES;
    uint8_t *data;

    if (out->room - out->size >= STAGE_BYTES)
        return 0;
    if (room < out->size + STAGE_BYTES)
        room = out->size + STAGE_BYTES;
    data = realloc(out->data, room);
    if (!data)
        return out->error = -ENOMEM;
    out->data = data;
    out->room = room;
    return 0;
}

static void output_flush(struct output *out, int flush)
{
    out->zip.next_in = out->stage;
    out->zip.avail_in = (uInt)out->staged;
    do {
        size_t room;
        if (output_reserve(out))
            return;
        room = out->room - out->size;
        if (!out->gzip) {
            memcpy(out->data + out->size, out->stage, out->staged);
            out->size += out->staged;
            break;
        }
        out->zip.next_out = out->data + out->size;
        out->zip.avail_out = (uInt)room;
        deflate(&out->zip, flush);
        out->size += room - out->zip.avail_out;
    } while (!out->zip.avail_out);
    out->staged = 0;
}

static void output_append(ProtobufCBuffer *base, size_t size, const uint8_t *data)
{
    struct output *out = (struct output *)base;

    out->raw += size;
    while (size && !out->error) {
        size_t part = STAGE_BYTES - out->staged < size ? STAGE_BYTES - out->staged : size;
        memcpy(out->stage + out->staged, data, part);
        out->staged += part;
        data += part;
        size -= part;
        if (out->staged == STAGE_BYTES)
            output_flush(out, Z_NO_FLUSH);
    }
}

static void emit(struct encoder *encoder, const Cprof__Profile *part)
{
    cprof__profile__pack_to_buffer(part, &encoder->out.base);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static struct string_row *find_string(const struct encoder *encoder, const char *text)
{
    uint64_t hash = 0;
    size_t at;

    for (const char *c = text; *c; c++)
        hash = mix(hash, (uint8_t)*c);
    at = hash & (encoder->string_rows - 1);
    while (encoder->string[at].text && strcmp(encoder->string[at].text, text) != 0)
        at = (at + 1) & (encoder->string_rows - 1);
    return &encoder->string[at];
}

static int grow_strings(struct encoder *encoder)
{
    struct string_row *old = encoder->string;
    size_t rows = encoder->string_rows;

    encoder->string_rows = rows ? 2 * rows : 256;
    encoder->string = calloc(encoder->string_rows, sizeof(*old));
    if (!encoder->string) {
        encoder->string = old;
        encoder->string_rows = rows;
        return encoder->out.error = -ENOMEM;
    }
    for (size_t i = 0; i < rows; i++)
        if (old[i].text)
            *find_string(encoder, old[i].text) = old[i];
    free(old);
    return 0;
}

static int64_t emit_string(struct encoder *encoder, const char *text)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    char *clean = strlen(text) < TEXT_BYTES && utf8_is_valid(text)
                      ? (char *)text
                      : utf8_clean(encoder->text, TEXT_BYTES, text, false);

    part.n_string_table = 1;
    part.string_table = &clean;
    emit(encoder, &part);
    return encoder->strings++;
}

/* text must live as long as the encoder. */
static int64_t string_index(struct encoder *encoder, const char *text)
{
    struct string_row *row;

    if ((size_t)encoder->strings * 2 >= encoder->string_rows && grow_strings(encoder))
        return 0;
    row = find_string(encoder, text);
    if (!row->text)
        *row = (struct string_row){text, emit_string(encoder, text)};
    return row->index;
}

static struct function_row *find_function(const struct encoder *encoder, const int64_t key[FUNCTION_WORDS])
{
    uint64_t hash = 0;
    size_t at;

    for (unsigned i = 0; i < FUNCTION_WORDS; i++)
        hash = mix(hash, (uint64_t)key[i]);
    at = hash & (encoder->function_rows - 1);
    while (encoder->function[at].id &&
           memcmp(encoder->function[at].key, key, sizeof(encoder->function->key)) != 0)
        at = (at + 1) & (encoder->function_rows - 1);
    return &encoder->function[at];
}

static int grow_functions(struct encoder *encoder)
{
    struct function_row *old = encoder->function;
    size_t rows = encoder->function_rows;

    encoder->function_rows = rows ? 2 * rows : 256;
    encoder->function = calloc(encoder->function_rows, sizeof(*old));
    if (!encoder->function) {
        encoder->function = old;
        encoder->function_rows = rows;
        return encoder->out.error = -ENOMEM;
    }
    for (size_t i = 0; i < rows; i++)
        if (old[i].id)
            *find_function(encoder, old[i].key) = old[i];
    free(old);
    return 0;
}

static uint64_t function_id(struct encoder *encoder, const struct symbol_line *line)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Function function = CPROF__FUNCTION__INIT, *list = &function;
    struct function_row *row;
    int64_t key[FUNCTION_WORDS] = {
        string_index(encoder, line->function),
        string_index(encoder, line->linkage ? line->linkage : line->function),
        string_index(encoder, line->file ? line->file : ""),
        line->start_line,
    };

    if (encoder->functions * 2 >= encoder->function_rows && grow_functions(encoder))
        return 0;
    row = find_function(encoder, key);
    if (row->id)
        return row->id;
    memcpy(row->key, key, sizeof(key));
    row->id = ++encoder->functions;
    function.id = row->id;
    function.name = key[0];
    function.system_name = key[1];
    function.filename = key[2];
    function.start_line = key[3];
    part.n_function = 1;
    part.function = &list;
    emit(encoder, &part);
    return row->id;
}

/* Where the number of this id is kept, or NULL. */
static uint32_t *number_of(struct encoder *encoder, struct numbers *numbers, unsigned id)
{
    if (id >= numbers->room) {
        size_t room = id + numbers->room / 2 + 64;
        uint32_t *number = realloc(numbers->number, room * sizeof(*number));
        if (!number) {
            encoder->out.error = -ENOMEM;
            return NULL;
        }
        memset(number + numbers->room, 0, (room - numbers->room) * sizeof(*number));
        numbers->number = number;
        numbers->room = room;
    }
    return &numbers->number[id];
}

static int add_mapping(struct encoder *encoder, const struct symbol_module *module)
{
    const struct symbol_module **list =
        realloc(encoder->module, (encoder->modules + 1) * sizeof(*encoder->module));

    if (!list)
        return encoder->out.error = -ENOMEM;
    encoder->module = list;
    list[encoder->modules++] = module;
    return 0;
}

static uint32_t mapping_id(struct encoder *encoder, const struct symbol_module *module)
{
    const char *program = encoder->meta->program;
    uint32_t *id = number_of(encoder, &encoder->mapping, module->id);

    if (!id || *id)
        return id ? *id : 0;
    if (program && encoder->modules && !encoder->module[0] && !strcmp(program, module->name)) {
        encoder->module[0] = module;
        return *id = 1;
    }
    if (add_mapping(encoder, module))
        return 0;
    return *id = (uint32_t)encoder->modules;
}

static void emit_location(struct encoder *encoder, const struct symbol_location *from, uint64_t id)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Location location = CPROF__LOCATION__INIT, *list = &location;
    Cprof__Line *line = calloc(from->line_count, sizeof(*line));
    Cprof__Line **lines = calloc(from->line_count, sizeof(*lines));

    if (line && lines) {
        for (unsigned i = 0; i < from->line_count; i++) {
            cprof__line__init(&line[i]);
            line[i].function_id = function_id(encoder, &from->lines[i]);
            line[i].line = from->lines[i].line;
            lines[i] = &line[i];
        }
        location.id = id;
        location.address = from->address;
        if (from->module) {
            location.mapping_id = mapping_id(encoder, from->module);
            location.address += location.mapping_id << MODULE_SHIFT;
        }
        location.n_line = from->line_count;
        location.line = lines;
        part.n_location = 1;
        part.location = &list;
        emit(encoder, &part);
    } else if (from->line_count) {
        encoder->out.error = -ENOMEM;
    }
    free(line);
    free(lines);
}

static uint64_t location_id(struct encoder *encoder, const struct symbol_location *location)
{
    uint32_t *id = number_of(encoder, &encoder->location, location->id);

    if (!id || *id)
        return id ? *id : 0;
    *id = (uint32_t)++encoder->locations;
    emit_location(encoder, location, *id);
    return encoder->locations;
}

static void emit_sample(struct encoder *encoder, const struct profile_sample *from, unsigned values,
                        size_t frames)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Sample sample = CPROF__SAMPLE__INIT, *list = &sample;
    Cprof__Label pid = CPROF__LABEL__INIT, thread = CPROF__LABEL__INIT, *label[2];
    uint64_t *ids = calloc(frames + 1, sizeof(*ids));

    if (!ids) {
        encoder->out.error = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < frames; i++)
        ids[i] = location_id(encoder, from->frame[i]);
    sample.n_location_id = frames;
    sample.location_id = ids;
    sample.n_value = values;
    sample.value = (int64_t *)from->value;
    sample.label = label;
    if (encoder->meta->with_labels && from->pid) {
        pid.key = string_index(encoder, "pid");
        pid.num = from->pid;
        label[sample.n_label++] = &pid;
    }
    if (encoder->meta->with_labels && *from->thread) {
        thread.key = string_index(encoder, "thread");
        thread.str = string_index(encoder, from->thread);
        label[sample.n_label++] = &thread;
    }
    part.n_sample = 1;
    part.sample = &list;
    emit(encoder, &part);
    free(ids);
}

/* Every frame has a name, if only "module+0xADDRESS": has_functions keeps pprof from looking for binaries. */
static void emit_mapping(struct encoder *encoder, uint64_t id, const struct symbol_module *module)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Mapping mapping = CPROF__MAPPING__INIT, *list = &mapping;
    char build_id[2 * sizeof(module->build_id) + 1] = "";

    mapping.id = id;
    mapping.memory_start = id << MODULE_SHIFT;
    mapping.memory_limit = mapping.memory_start + (UINT64_C(1) << MODULE_SHIFT) - 4096; /* not adjacent */
    mapping.has_functions = true;
    if (module) {
        for (unsigned i = 0; i < module->build_id_size && i < sizeof(module->build_id); i++)
            snprintf(build_id + 2 * i, 3, "%02x", module->build_id[i]);
        mapping.filename = string_index(encoder, module->path);
        mapping.build_id = *build_id ? emit_string(encoder, build_id) : 0;
        mapping.has_filenames = module->has_lines;
        mapping.has_line_numbers = module->has_lines;
        mapping.has_inline_frames = module->has_inlines;
    } else {
        mapping.filename = string_index(encoder, encoder->meta->program);
    }
    part.n_mapping = 1;
    part.mapping = &list;
    emit(encoder, &part);
}

static void emit_comments(struct encoder *encoder, const char *const *comments)
{
    for (; comments && *comments; comments++) {
        Cprof__Profile part = CPROF__PROFILE__INIT;
        int64_t index = string_index(encoder, *comments);
        part.n_comment = 1;
        part.comment = &index;
        emit(encoder, &part);
    }
}

/* All that is not a list of its own. */
static void emit_head(struct encoder *encoder, const struct profile_kind *kind)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__ValueType type[PROFILE_VALUES], *types[PROFILE_VALUES];
    Cprof__ValueType period = CPROF__VALUE_TYPE__INIT;

    for (unsigned i = 0; i < kind->values; i++) {
        cprof__value_type__init(&type[i]);
        type[i].type = string_index(encoder, kind->value[i].type);
        type[i].unit = string_index(encoder, kind->value[i].unit);
        types[i] = &type[i];
    }
    period.type = string_index(encoder, kind->period_type.type);
    period.unit = string_index(encoder, kind->period_type.unit);
    part.n_sample_type = kind->values;
    part.sample_type = types;
    part.period_type = &period;
    part.period = encoder->meta->period;
    part.time_nanos = encoder->meta->time_ns;
    part.duration_nanos = encoder->meta->duration_ns;
    part.default_sample_type = string_index(encoder, kind->value[kind->default_value].type);
    emit(encoder, &part);
}

static struct encoder *encoder_new(const struct profile_kind *kind, const struct profile_meta *meta,
                                   bool gzip)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));

    if (!encoder)
        return NULL;
    encoder->meta = meta;
    encoder->out.base.append = output_append;
    encoder->out.gzip = gzip;
    if (gzip && deflateInit2(&encoder->out.zip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY)) {
        free(encoder);
        return NULL;
    }
    string_index(encoder, ""); /* entry 0 */
    if (meta->program)
        add_mapping(encoder, NULL);
    emit_head(encoder, kind);
    emit_comments(encoder, meta->comments);
    return encoder;
}

static int encoder_finish(struct encoder *encoder)
{
    for (size_t i = 0; i < encoder->modules; i++)
        emit_mapping(encoder, i + 1, encoder->module[i]);
    if (!encoder->out.error)
        output_flush(&encoder->out, Z_FINISH);
    return encoder->out.error;
}

static void encoder_free(struct encoder *encoder)
{
    if (!encoder)
        return;
    if (encoder->out.gzip)
        deflateEnd(&encoder->out.zip);
    free(encoder->out.data);
    free(encoder->string);
    free(encoder->function);
    free(encoder->location.number);
    free(encoder->mapping.number);
    free(encoder->module);
    free(encoder);
}

static int compare_stacks(const void *a, const void *b)
{
    const struct profile_sample *const *left = a, *const *right = b;

    return ((*left)->frame > (*right)->frame) - ((*left)->frame < (*right)->frame);
}

/* Samples of one stack share the pointer to its frames (profile.c): sorted by it, those that become equal
   without their labels are neighbours. */
static const struct profile_sample **list_samples(const struct profile *profile, bool with_labels,
                                                  size_t *count)
{
    const struct profile_sample **list = malloc((profile_count(profile) + 1) * sizeof(*list));
    size_t cursor = 0;

    *count = 0;
    while (list && (list[*count] = profile_next(profile, &cursor)))
        ++*count;
    if (list && !with_labels)
        qsort(list, *count, sizeof(*list), compare_stacks);
    return list;
}

/* The sum of list[0] and what is equal to it; *used: how many of the list that took. */
static struct profile_sample sum_samples(const struct profile_sample **list, size_t count, bool with_labels,
                                         size_t *used)
{
    struct profile_sample sum = *list[0];

    for (*used = 1; !with_labels && *used < count && list[*used]->frame == sum.frame; ++*used)
        for (unsigned i = 0; i < PROFILE_VALUES; i++)
            if (__builtin_add_overflow(sum.value[i], list[*used]->value[i], &sum.value[i]))
                sum.value[i] = INT64_MAX;
    return sum;
}

static int encode_piece_of(const struct profile *profile, const struct profile_meta *meta, bool gzip,
                           const struct encode_limits *limits, const struct profile_sample **list,
                           size_t count, size_t *at, encode_piece *piece, void *context)
{
    const struct profile_kind *kind = profile_get_kind(profile);
    struct encoder *encoder = encoder_new(kind, meta, gzip);
    int error;

    if (!encoder)
        return -ENOMEM;
    for (size_t n = 0; *at < count && n < limits->samples && encoder->out.raw < limits->bytes; n++) {
        size_t used;
        struct profile_sample sample = sum_samples(list + *at, count - *at, meta->with_labels, &used);
        emit_sample(encoder, &sample, kind->values,
                    sample.frames < limits->frames ? sample.frames : limits->frames);
        *at += used;
    }
    error = encoder_finish(encoder);
    if (!error) {
        uint8_t *data = encoder->out.data;
        encoder->out.data = NULL;
        error = piece(context, data, encoder->out.size);
    }
    encoder_free(encoder);
    return error;
}

int profile_encode_pieces(const struct profile *profile, const struct profile_meta *meta, bool gzip,
                          const struct encode_limits *limits, encode_piece *piece, void *context)
{
    size_t count, at = 0;
    const struct profile_sample **list = list_samples(profile, meta->with_labels, &count);
    int error = list ? 0 : -ENOMEM;

    if (list) {
        do {
            error = encode_piece_of(profile, meta, gzip, limits, list, count, &at, piece, context);
        } while (!error && at < count);
    }
    free(list);
    return error;
}

struct one_piece {
    uint8_t **data;
    size_t *size;
};

static int keep_piece(void *context, uint8_t *data, size_t size)
{
    const struct one_piece *one = context;

    *one->data = data;
    *one->size = size;
    return 0;
}

int profile_encode(const struct profile *profile, const struct profile_meta *meta, bool gzip, uint8_t **data,
                   size_t *size)
{
    const struct encode_limits limits = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    struct one_piece one = {data, size};

    return profile_encode_pieces(profile, meta, gzip, &limits, keep_piece, &one);
}
