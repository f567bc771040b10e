/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoder streams: each string, function, location and sample is packed as a Profile that holds nothing
 * else. By protobuf's rule for repeated fields, such messages in a row are the message that holds them all. So
 * memory is needed for the tables of what was written already, and never for the profile as a tree of
 * objects.
 */
#include "encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "uploader/base/ids.h"
#include "uploader/base/utf8.h"
#include "uploader/profile/profile.pb-c.h"

enum {
    TEXT_BYTES = 16 * 1024, /* longest string; longer symbols are cut */
    BUILD_ID_TEXT = 2 * sizeof(((struct elf_module *)0)->build_id) + 1,
    /* Locations carry ELF virtual addresses. A module's are moved to a range of 2^40 of its own, or readers
       would take equal addresses of two modules for one place. */
    MODULE_SHIFT = 40,
};

/* Of one piece. The numbers that the maps give are what is written: ids, and 1 + index of strings. */
struct encoder {
    struct output out;
    const struct profile_meta *meta;
    struct text_ids strings;
    struct ids functions; /* name, system name, file, start line */
    struct ids locations; /* struct symbol_location */
    struct ids mappings;  /* struct elf_module; NULL: the executable, in no stack */
    char text[TEXT_BYTES];
};

static void emit(struct encoder *encoder, const Cprof__Profile *part)
{
    cprof__profile__pack_to_buffer(part, &encoder->out.base);
}

static void emit_string(struct encoder *encoder, const char *text)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    char *clean = strlen(text) < TEXT_BYTES && utf8_is_valid(text)
                      ? (char *)text
                      : utf8_clean(encoder->text, TEXT_BYTES, text, false);

    part.n_string_table = 1;
    part.string_table = &clean;
    emit(encoder, &part);
}

/* text must live as long as the encoder. */
static int64_t string_index(struct encoder *encoder, const char *text)
{
    bool added;
    uint32_t number = text_ids_get(&encoder->strings, text, &added);

    if (!number) {
        encoder->out.error = -ENOMEM;
        return 0;
    }
    if (added)
        emit_string(encoder, text);
    return number - 1;
}

static uint64_t number_in(struct encoder *encoder, struct ids *ids, const uint64_t *key, bool *added)
{
    uint64_t number = ids_get(ids, key, added);

    if (!number)
        encoder->out.error = -ENOMEM;
    return number;
}

/* Where both names are the same, pprof takes the name for a mangled one and removes all in brackets: not from
   "[truncated]" or from what a just-in-time compiler calls its functions. */
static const char *system_name(const struct symbol_line *line)
{
    if (!line->linkage || !strcmp(line->linkage, line->function))
        return strpbrk(line->function, "<>()[]:") ? "" : line->function;
    return line->linkage;
}

static uint64_t function_id(struct encoder *encoder, const struct symbol_line *line)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Function function = CPROF__FUNCTION__INIT, *list = &function;
    uint64_t key[4];
    bool added;

    function.name = string_index(encoder, line->function);
    function.system_name = string_index(encoder, system_name(line));
    function.filename = string_index(encoder, line->file ? line->file : "");
    function.start_line = line->start_line;
    key[0] = (uint64_t)function.name;
    key[1] = (uint64_t)function.system_name;
    key[2] = (uint64_t)function.filename;
    key[3] = (uint64_t)function.start_line;
    function.id = number_in(encoder, &encoder->functions, key, &added);
    if (added) {
        part.n_function = 1;
        part.function = &list;
        emit(encoder, &part);
    }
    return function.id;
}

static uint64_t mapping_id(struct encoder *encoder, const struct elf_module *module)
{
    return number_in(encoder, &encoder->mappings, &(uint64_t){(uintptr_t)module}, NULL);
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
    bool added;
    uint64_t id = number_in(encoder, &encoder->locations, &(uint64_t){(uintptr_t)location}, &added);

    if (added)
        emit_location(encoder, location, id);
    return id;
}

/* Room for the labels of one sample, and how they are filled in. */
enum { SAMPLE_LABELS = 7 }; /* that add_labels() makes, at most */
struct labels {
    Cprof__Label label[SAMPLE_LABELS], *list[SAMPLE_LABELS];
    unsigned count;
};

static Cprof__Label *add_label(struct encoder *encoder, struct labels *labels, const char *key)
{
    Cprof__Label *label = &labels->label[labels->count];

    cprof__label__init(label);
    label->key = string_index(encoder, key);
    labels->list[labels->count++] = label;
    return label;
}

static void add_text(struct encoder *encoder, struct labels *labels, const char *key, const char *text)
{
    if (text && *text)
        add_label(encoder, labels, key)->str = string_index(encoder, text);
}

static void add_labels(struct encoder *encoder, struct labels *labels, const struct profile_sample *from)
{
    const struct profile_thread *about = &from->about;

    if (from->pid)
        add_label(encoder, labels, "pid")->num = from->pid;
    add_text(encoder, labels, "thread", from->thread);
    if (!about->tid)
        return;
    add_label(encoder, labels, "tid")->num = about->tid;
    add_text(encoder, labels, "state", about->state);
    add_text(encoder, labels, "wait", about->wait);
    if (about->holder)
        add_label(encoder, labels, "waits_for")->num = about->holder;
    if (about->waited_ns) {
        Cprof__Label *waited = add_label(encoder, labels, "waited");
        waited->num = about->waited_ns;
        waited->num_unit = string_index(encoder, "nanoseconds");
    }
}

static void emit_sample(struct encoder *encoder, const struct profile_sample *from, unsigned values,
                        size_t frames)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Sample sample = CPROF__SAMPLE__INIT, *list = &sample;
    struct labels labels = {.count = 0};
    uint64_t *ids = calloc(frames + 1, sizeof(*ids));
    size_t n = 0;

    if (!ids) {
        encoder->out.error = -ENOMEM;
        return;
    }
    for (const struct profile_frame *frame = from->stack; frame && n < frames; frame = frame->caller)
        ids[n++] = location_id(encoder, frame->location);
    sample.n_location_id = n;
    sample.location_id = ids;
    sample.n_value = values;
    sample.value = (int64_t *)from->value;
    if (encoder->meta->with_labels)
        add_labels(encoder, &labels, from);
    sample.label = labels.list;
    sample.n_label = labels.count;
    part.n_sample = 1;
    part.sample = &list;
    emit(encoder, &part);
    free(ids);
}

/* Every frame has a name, if only "module+0xADDRESS": has_functions keeps pprof from looking for binaries. */
static void emit_mapping(struct encoder *encoder, uint64_t id, const struct elf_module *module,
                         const char *build_id)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Mapping mapping = CPROF__MAPPING__INIT, *list = &mapping;

    mapping.id = id;
    mapping.memory_start = id << MODULE_SHIFT;
    /* A page short of the next one: pprof joins neighbours of the same file. */
    mapping.memory_limit = mapping.memory_start + (UINT64_C(1) << MODULE_SHIFT) - 4096;
    mapping.filename = string_index(encoder, module ? module->path : encoder->meta->program);
    mapping.build_id = string_index(encoder, build_id);
    mapping.has_functions = true;
    mapping.has_filenames = module && module->has_lines;
    mapping.has_line_numbers = module && module->has_lines;
    mapping.has_inline_frames = module && module->has_inlines;
    part.n_mapping = 1;
    part.mapping = &list;
    emit(encoder, &part);
}

static void emit_mappings(struct encoder *encoder)
{
    uint32_t count = encoder->mappings.used;
    char(*build_id)[BUILD_ID_TEXT] = calloc(count + 1, sizeof(*build_id));

    for (uint32_t i = 0; build_id && i < count; i++) {
        const struct elf_module *module = (const struct elf_module *)(uintptr_t)encoder->mappings.key[i];
        for (unsigned n = 0; module && n < module->build_id_size && n < sizeof(module->build_id); n++)
            snprintf(build_id[i] + 2 * n, 3, "%02x", module->build_id[n]);
        emit_mapping(encoder, i + 1, module, build_id[i]);
    }
    if (!build_id)
        encoder->out.error = -ENOMEM;
    free(build_id); /* the table of strings is not asked again */
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

static struct encoder *encoder_new(const struct profile_kind *kind, const struct profile_meta *meta)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));

    if (!encoder)
        return NULL;
    encoder->meta = meta;
    encoder->functions.words = 4;
    encoder->locations.words = 1;
    encoder->mappings.words = 1;
    if (output_init(&encoder->out)) {
        free(encoder);
        return NULL;
    }
    string_index(encoder, ""); /* entry 0 */
    emit_head(encoder, kind);
    emit_comments(encoder, meta->comments);
    return encoder;
}

static int encoder_finish(struct encoder *encoder)
{
    emit_mappings(encoder);
    return output_finish(&encoder->out);
}

static void encoder_free(struct encoder *encoder)
{
    output_free(&encoder->out);
    text_ids_free(&encoder->strings);
    ids_free(&encoder->functions);
    ids_free(&encoder->locations);
    ids_free(&encoder->mappings);
    free(encoder);
}

static int compare_stacks(const void *a, const void *b)
{
    const struct profile_sample *const *left = a, *const *right = b;

    return ((*left)->stack > (*right)->stack) - ((*left)->stack < (*right)->stack);
}

/* Samples of one stack share its leaf (struct profile_frame): sorted by it, those that become equal
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

    for (*used = 1; !with_labels && *used < count && list[*used]->stack == sum.stack; ++*used)
        for (unsigned i = 0; i < PROFILE_VALUES; i++)
            if (__builtin_add_overflow(sum.value[i], list[*used]->value[i], &sum.value[i]))
                sum.value[i] = INT64_MAX;
    return sum;
}

static const struct elf_module *find_module(const struct profile_sample **list, size_t count,
                                            const char *name)
{
    for (size_t i = 0; i < count; i++) {
        for (const struct profile_frame *frame = list[i]->stack; frame; frame = frame->caller) {
            const struct elf_module *module = frame->location->module;
            if (module && !strcmp(module->name, name))
                return module;
        }
    }
    return NULL;
}

/* What is encoded, and how far that is. */
struct encoding {
    const struct profile_kind *kind;
    struct profile_meta meta;
    const struct encode_limits *limits;
    const struct profile_sample **list;
    size_t count, at;
    const struct elf_module *executable;
};

static void emit_samples(struct encoder *encoder, struct encoding *encoding)
{
    const struct encode_limits *limits = encoding->limits;

    for (size_t n = 0; encoding->at < encoding->count && n < limits->samples; n++) {
        size_t used;
        struct profile_sample sample = sum_samples(
            encoding->list + encoding->at, encoding->count - encoding->at, encoding->meta.with_labels, &used);
        emit_sample(encoder, &sample, encoding->kind->values,
                    sample.frames < limits->frames ? sample.frames : limits->frames);
        encoding->at += used;
        if (encoder->out.raw >= limits->bytes || encoder->out.error)
            break;
    }
}

static int encode_next(struct encoding *encoding, encode_piece *piece, void *context)
{
    struct encoder *encoder = encoder_new(encoding->kind, &encoding->meta);
    int error;

    if (!encoder)
        return -ENOMEM;
    if (encoding->meta.program)
        mapping_id(encoder, encoding->executable); /* the first one: pprof takes it for the program */
    emit_samples(encoder, encoding);
    error = encoder_finish(encoder);
    if (!error) {
        uint8_t *data = encoder->out.data;
        encoder->out.data = NULL;
        error = piece(context, data, encoder->out.size);
    }
    encoder_free(encoder);
    return error;
}

int profile_encode_pieces(const struct profile *profile, const struct profile_meta *meta,
                          const struct encode_limits *limits, encode_piece *piece, void *context)
{
    struct encoding encoding = {.kind = profile_get_kind(profile), .meta = *meta, .limits = limits};
    int error;

    encoding.list = list_samples(profile, meta->with_labels, &encoding.count);
    if (!encoding.list)
        return -ENOMEM;
    if (meta->program)
        encoding.executable = find_module(encoding.list, encoding.count, meta->program);
    do {
        error = encode_next(&encoding, piece, context);
        encoding.meta.time_ns += limits->step_ns;
    } while (!error && encoding.at < encoding.count);
    free(encoding.list);
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

int profile_encode(const struct profile *profile, const struct profile_meta *meta, uint8_t **data,
                   size_t *size)
{
    const struct encode_limits limits = {SIZE_MAX, SIZE_MAX, SIZE_MAX, 0};
    struct one_piece one = {data, size};

    return profile_encode_pieces(profile, meta, &limits, keep_piece, &one);
}
