/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoder streams: each string, function, location and sample is packed as a Profile that holds nothing
 * else. By protobuf's rule for repeated fields, such messages in a row are the message that holds them all. So
 * memory is needed for the tables of what was written already, and never for the profile as a tree of
 * objects. Samples are compressed at once. What they refer to is kept, and follows them list by list: side by
 * side, what is alike takes a twentieth less.
 */
#include "encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "uploader/base/ids.h"
#include "uploader/encoding/utf8.h"
#include "uploader/pprof/profile.pb-c.h"
#include "uploader/profile/places.h"
#include "uploader/profile/walk.h"

enum {
    TEXT_BYTES = 16 * 1024, /* longest string; longer symbols are cut */
    BUILD_ID_TEXT = 2 * sizeof(((struct elf_module *)0)->build_id) + 1,
    UNNAMED = 1, /* in a key of mappings: the module's locations without a name */
};

/* What follows the samples, in this order. */
enum list { LIST_LOCATIONS, LIST_FUNCTIONS, LIST_STRINGS, LISTS };

/* Of one piece. The numbers that the maps give are what is written: ids, and 1 + index of strings. */
struct encoder {
    struct output out;
    struct output_list list[LISTS];
    const struct profile_meta *meta;
    struct text_ids strings;
    struct ids functions; /* name, system name, file, start line */
    struct ids locations; /* struct symbol_location */
    struct hash places;   /* see place_first() */
    struct ids mappings;  /* struct elf_module | UNNAMED; NULL: the executable, in no stack */
    char text[TEXT_BYTES];
    size_t sample_end; /* raw bytes at which the present sample is full; 0: never */
};

static void emit(struct encoder *encoder, const Cprof__Profile *part)
{
    cprof__profile__pack_to_buffer(part, &encoder->out.base);
}

static void emit_later(struct encoder *encoder, enum list list, const Cprof__Profile *part)
{
    cprof__profile__pack_to_buffer(part, &encoder->list[list].base);
}

static void emit_string(struct encoder *encoder, const char *text)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    char *clean = strlen(text) < TEXT_BYTES && utf8_is_valid(text)
                      ? (char *)text
                      : utf8_clean(encoder->text, TEXT_BYTES, text, false);

    part.n_string_table = 1;
    part.string_table = &clean;
    emit_later(encoder, LIST_STRINGS, &part);
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

/* None where both names are the same: pprof would take the name for a mangled one and remove all in brackets, also from
   "[truncated]" or from what a just-in-time compiler calls its functions. */
static const char *system_name(const struct encoder *encoder, const struct symbol_line *line)
{
    if (encoder->meta->no_addresses)
        return "";
    return line->linkage && strcmp(line->linkage, line->function) != 0 ? line->linkage : "";
}

static uint64_t function_id(struct encoder *encoder, const struct symbol_line *line)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Function function = CPROF__FUNCTION__INIT, *list = &function;
    uint64_t key[4];
    bool added;

    key[0] = (uint64_t)(function.name = string_index(encoder, line->function));
    key[1] = (uint64_t)(function.system_name = string_index(encoder, system_name(encoder, line)));
    key[2] = (uint64_t)(function.filename = string_index(encoder, line->file ? line->file : ""));
    key[3] = (uint64_t)(function.start_line = line->start_line);
    function.id = number_in(encoder, &encoder->functions, key, &added);
    if (added) {
        part.n_function = 1;
        part.function = &list;
        emit_later(encoder, LIST_FUNCTIONS, &part);
    }
    return function.id;
}

/*
 * A module has two mappings. That of locations with names has has_functions, which keeps readers from looking for binaries.
 * That of locations without one leaves them to be named later, by pprof or by a server's symbolizer. It spans all
 * addresses: this says that they are ELF virtual addresses, from which nothing is to be subtracted.
 */
static uint64_t mapping_id(struct encoder *encoder, const struct elf_module *module, bool unnamed)
{
    return number_in(encoder, &encoder->mappings, &(uint64_t){(uintptr_t)module | (unnamed ? UNNAMED : 0)},
                     NULL);
}

/* The sample that is being encoded has the bytes that one may have. */
static bool is_full(const struct encoder *encoder)
{
    return encoder->sample_end && encoder->out.raw > encoder->sample_end;
}

/* Where a function without a name begins: a location that no sample has. By it, readers that know of this tell such functions
   apart. For pprof they stay addresses without a name. Servers are not sent it. */
static void emit_start(struct encoder *encoder, const struct symbol_location *from)
{
    const char *name = from->lines[0].function, *digits = strrchr(name, '+');
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Location location = CPROF__LOCATION__INIT, *list = &location;
    bool added;

    if (!digits || strncmp(digits, "+0x", 3) != 0)
        return;
    location.id = number_in(encoder, &encoder->locations, &(uint64_t){(uintptr_t)name}, &added);
    if (!added)
        return;
    location.address = strtoull(digits + 3, NULL, 16);
    location.mapping_id = mapping_id(encoder, from->module, true);
    part.n_location = 1;
    part.location = &list;
    emit_later(encoder, LIST_LOCATIONS, &part);
}

static void emit_location(struct encoder *encoder, const struct symbol_location *from, uint64_t id)
{
    const bool unnamed = walk_leaves_unnamed(encoder->meta, from);
    const unsigned count = unnamed ? 0 : from->line_count;
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Location location = CPROF__LOCATION__INIT, *list = &location;
    Cprof__Line *line = calloc(count + 1, sizeof(*line));
    Cprof__Line **lines = calloc(count + 1, sizeof(*lines));

    if (line && lines) {
        for (unsigned i = 0; i < count && (!i || !is_full(encoder)); i++) {
            cprof__line__init(&line[i]);
            line[i].function_id = function_id(encoder, &from->lines[i]);
            line[i].line = from->lines[i].line;
            lines[i] = &line[i];
            location.n_line++;
        }
        location.id = id;
        location.address = from->address;
        if (from->module)
            location.mapping_id = mapping_id(encoder, from->module, unnamed);
        if (from->module && !unnamed)
            location.address =
                encoder->meta->no_addresses ? 0 : location.address + (location.mapping_id << MODULE_SHIFT);
        location.line = lines;
        part.n_location = 1;
        part.location = &list;
        emit_later(encoder, LIST_LOCATIONS, &part);
        if (unnamed && from->line_count && !encoder->meta->no_addresses &&
            encoder->meta->unnamed == PROFILE_UNNAMED_LEFT)
            emit_start(encoder, from);
    } else {
        encoder->out.error = -ENOMEM;
    }
    free(line);
    free(lines);
}

static uint64_t location_id(struct encoder *encoder, const struct symbol_location *location)
{
    bool added;
    uint64_t id;

    if (encoder->meta->no_addresses)
        location = place_first(&encoder->places, location);
    id = number_in(encoder, &encoder->locations, &(uint64_t){(uintptr_t)location}, &added);

    if (added)
        emit_location(encoder, location, id);
    return id;
}

/* Room for the labels of one sample, and how they are filled in. */
enum { SAMPLE_LABELS = 10 + PROFILE_LABELS }; /* that add_labels() makes, at most */
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

/* What the program has set. */
static void add_own_labels(struct encoder *encoder, struct labels *labels, const struct profile_sample *from)
{
    const struct profile_trace *trace = from->trace;
    const bool as_root = trace && encoder->meta->root_spans && *trace->root_text;

    for (unsigned i = 0; from->labels && i < from->labels->count; i++)
        add_label(encoder, labels,
                  encoder->meta->plain_names ? from->labels->label[i].plain : from->labels->label[i].key)
            ->str = string_index(encoder, from->labels->label[i].value);
    if (!trace)
        return;
    add_text(encoder, labels, "trace_id", trace->trace_text);
    add_text(encoder, labels, "span_id", as_root ? trace->root_text : trace->span_text);
    if (!encoder->meta->root_spans)
        add_text(encoder, labels, "local_root_span_id", trace->root_text);
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
    for (const struct profile_frame *frame = from->stack; frame && n < frames && (!n || !is_full(encoder));
         frame = frame->caller)
        ids[n++] = location_id(encoder, frame->location);
    sample.n_location_id = n;
    sample.location_id = ids;
    sample.n_value = values;
    sample.value = (int64_t *)from->value;
    if (encoder->meta->with_labels)
        add_labels(encoder, &labels, from);
    add_own_labels(encoder, &labels, from);
    sample.label = labels.list;
    sample.n_label = labels.count;
    part.n_sample = 1;
    part.sample = &list;
    emit(encoder, &part);
    free(ids);
}

static void emit_mapping(struct encoder *encoder, uint64_t id, const struct elf_module *module, bool unnamed,
                         const char *build_id)
{
    Cprof__Profile part = CPROF__PROFILE__INIT;
    Cprof__Mapping mapping = CPROF__MAPPING__INIT, *list = &mapping;
    const bool has_lines = module && module->has_lines && !unnamed;

    mapping.id = id;
    if (unnamed) {
        mapping.memory_limit = UINT64_MAX;
    } else if (!encoder->meta->no_addresses) {
        mapping.memory_start = id << MODULE_SHIFT;
        /* A page short of the next one: pprof joins neighbours of the same file. */
        mapping.memory_limit = mapping.memory_start + (UINT64_C(1) << MODULE_SHIFT) - 4096;
    }
    mapping.filename = string_index(encoder, module ? module->path : encoder->meta->program);
    mapping.build_id = string_index(encoder, build_id);
    mapping.has_functions = !unnamed;
    mapping.has_filenames = has_lines;
    mapping.has_line_numbers = has_lines;
    mapping.has_inline_frames = has_lines && module->has_inlines;
    part.n_mapping = 1;
    part.mapping = &list;
    emit(encoder, &part);
}

static void emit_mappings(struct encoder *encoder)
{
    uint32_t count = encoder->mappings.used;
    char(*build_id)[BUILD_ID_TEXT] = calloc(count + 1, sizeof(*build_id));

    for (uint32_t i = 0; build_id && i < count; i++) {
        const uint64_t key = encoder->mappings.key[i];
        const struct elf_module *module = (const struct elf_module *)(uintptr_t)(key & ~(uint64_t)UNNAMED);
        const bool is_asked = !encoder->meta->no_addresses || key & UNNAMED || !i;
        for (unsigned n = 0; is_asked && module && n < module->build_id_size && n < sizeof(module->build_id);
             n++)
            snprintf(build_id[i] + 2 * n, 3, "%02x", module->build_id[n]);
        emit_mapping(encoder, i + 1, module, key & UNNAMED, build_id[i]);
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
    for (int i = 0; i < LISTS; i++)
        output_list_init(&encoder->list[i], &encoder->out);
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
    for (int i = 0; i < LISTS; i++)
        output_append_list(&encoder->out, &encoder->list[i]);
    return output_finish(&encoder->out);
}

static void encoder_free(struct encoder *encoder)
{
    output_free(&encoder->out);
    for (int i = 0; i < LISTS; i++)
        output_list_free(&encoder->list[i]);
    text_ids_free(&encoder->strings);
    ids_free(&encoder->functions);
    ids_free(&encoder->locations);
    ids_free(&encoder->mappings);
    hash_free(&encoder->places);
    free(encoder);
}

/* The module with the program's name. *unnamed: it has locations that are left without a name. */
static const struct elf_module *find_module(const struct walk *walk, const struct profile_meta *meta,
                                            bool *unnamed)
{
    const struct elf_module *found = NULL;

    for (size_t i = 0; i < walk->count && !*unnamed; i++) {
        for (const struct profile_frame *frame = walk->list[i]->stack; frame; frame = frame->caller) {
            const struct elf_module *module = frame->location->module;
            if (!module || (found ? module != found : strcmp(module->name, meta->program) != 0))
                continue;
            found = module;
            *unnamed |= walk_leaves_unnamed(meta, frame->location);
        }
    }
    return found;
}

/* What is encoded, and how far that is. */
struct encoding {
    const struct profile_kind *kind;
    struct profile_meta meta;
    const struct encode_limits *limits;
    struct walk walk;
    const struct elf_module *executable;
    bool unnamed; /* it has locations without a name */
};

static void emit_samples(struct encoder *encoder, struct encoding *encoding)
{
    const struct encode_limits *limits = encoding->limits;
    struct profile_sample sample;

    for (size_t n = 0; n < limits->samples && walk_next(&encoding->walk, &sample); n++) {
        encoder->sample_end = limits->sample_bytes ? encoder->out.raw + limits->sample_bytes : 0;
        emit_sample(encoder, &sample, encoding->kind->values,
                    sample.frames < limits->frames ? sample.frames : limits->frames);
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
        mapping_id(encoder, encoding->executable,
                   encoding->unnamed); /* pprof takes the first for the program */
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
    struct encoding encoding = {
        .kind = meta->kind ? meta->kind : profile_get_kind(profile), .meta = *meta, .limits = limits};
    int error = walk_open(&encoding.walk, profile, meta);

    if (error || (meta->takes && !encoding.walk.count)) {
        walk_close(&encoding.walk);
        return error;
    }
    if (meta->program)
        encoding.executable = find_module(&encoding.walk, meta, &encoding.unnamed);
    do {
        error = encode_next(&encoding, piece, context);
        encoding.meta.time_ns += limits->step_ns;
    } while (!error && encoding.walk.at < encoding.walk.count);
    walk_close(&encoding.walk);
    return error;
}
