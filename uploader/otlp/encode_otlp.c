/* SPDX-License-Identifier: Apache-2.0 */
#include "encode_otlp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dictionary.h"
#include "uploader/options/options.h"
#include "uploader/otlp/otlp.pb-c.h"
#include "uploader/profile/walk.h"

/* Fields that are streamed; otlp.proto has the messages. */
enum {
    REQUEST_RESOURCE_PROFILES = 1,
    REQUEST_DICTIONARY = 2,
    RESOURCE_RESOURCE = 1,
    RESOURCE_SCOPE_PROFILES = 2,
    SCOPE_SCOPE = 1,
    SCOPE_PROFILES = 2,
    PROFILE_SAMPLES = 2,
};

/* One Profile. */
struct type {
    const char *type, *unit, *period_type, *period_unit;
    int64_t period;
    unsigned value; /* of samples */
    int64_t divisor;
};

struct encoder {
    struct otlp_meta meta;
    struct profile_meta naming; /* what walks and the dictionary ask */
    const struct otlp_limits *limits;
    int64_t duration_ns;
    otlp_piece *piece;
    void *context;
    struct dictionary dictionary;
    struct wire scope;   /* Profiles that are finished */
    struct wire profile; /* samples of the one that is not */
    struct wire part;
    size_t samples; /* in the request */
    int error;
};

static int encoder_init(struct encoder *encoder)
{
    encoder->samples = 0;
    wire_init(&encoder->scope);
    wire_init(&encoder->profile);
    wire_init(&encoder->part);
    return dictionary_init(&encoder->dictionary, &encoder->naming);
}

static void encoder_free(struct encoder *encoder)
{
    dictionary_free(&encoder->dictionary);
    wire_free(&encoder->scope);
    wire_free(&encoder->profile);
    wire_free(&encoder->part);
}

static int encoder_error(const struct encoder *encoder)
{
    return encoder->error              ? encoder->error
           : encoder->dictionary.error ? encoder->dictionary.error
           : encoder->dictionary.bytes.error
               ? encoder->dictionary.bytes.error
               : (encoder->scope.error ? encoder->scope.error : encoder->profile.error);
}

/* --- one Profile --- */

static void fill_type(struct encoder *encoder, Cprof__Otlp__ValueType *to, const char *type, const char *unit)
{
    cprof__otlp__value_type__init(to);
    to->has_type_strindex = to->has_unit_strindex = true;
    to->type_strindex = dictionary_string(&encoder->dictionary, type);
    to->unit_strindex = dictionary_string(&encoder->dictionary, unit);
}

/* What is not a sample, behind the samples. */
static void finish_profile(struct encoder *encoder, const struct type *type)
{
    Cprof__Otlp__Profile profile = CPROF__OTLP__PROFILE__INIT;
    Cprof__Otlp__ValueType sample_type, period_type;
    uint8_t id[16];

    if (!encoder->profile.size)
        return;
    fill_type(encoder, &sample_type, type->type, type->unit);
    fill_type(encoder, &period_type, type->period_type, type->period_unit);
    profile.sample_type = &sample_type;
    profile.period_type = &period_type;
    profile.has_period = profile.has_time_unix_nano = profile.has_duration_nano = true;
    profile.period = type->period;
    profile.time_unix_nano = (uint64_t)encoder->meta.time_ns;
    profile.duration_nano = (uint64_t)encoder->duration_ns;
    if (getrandom(id, sizeof id, GRND_NONBLOCK) == sizeof id) {
        profile.has_profile_id = true;
        profile.profile_id = (ProtobufCBinaryData){sizeof id, id};
    }
    protobuf_c_message_pack_to_buffer(&profile.base, &encoder->profile.base);
    wire_field(&encoder->scope, SCOPE_PROFILES, encoder->profile.data, encoder->profile.size);
    wire_clear(&encoder->profile);
}

/* Labels and trace that the program has set. */
static void add_context(struct encoder *encoder, const struct profile_sample *from,
                        Cprof__Otlp__Sample *sample, int32_t attribute[PROFILE_LABELS])
{
    sample->attribute_indices = attribute;
    for (unsigned i = 0; from->labels && i < from->labels->count && i < PROFILE_LABELS; i++)
        attribute[sample->n_attribute_indices++] = dictionary_attribute(
            &encoder->dictionary, from->labels->label[i].key, from->labels->label[i].value);
    if (!from->trace)
        return;
    sample->has_link_index = true;
    sample->link_index = dictionary_link(&encoder->dictionary, from->trace->trace, from->trace->span);
}

static void add_sample(struct encoder *encoder, const struct profile_sample *from, int64_t value)
{
    Cprof__Otlp__Sample sample = CPROF__OTLP__SAMPLE__INIT;
    int32_t attribute[PROFILE_LABELS];

    add_context(encoder, from, &sample, attribute);
    sample.has_stack_index = true;
    sample.stack_index = dictionary_stack(&encoder->dictionary, from->stack, encoder->limits->frames);
    sample.n_values = 1;
    sample.values = &value;
    wire_message(&encoder->profile, PROFILE_SAMPLES, &sample.base);
    encoder->samples++;
}

/* --- one request --- */

/* scope becomes the request. */
static void finish_request(struct encoder *encoder)
{
    Cprof__Otlp__Scope scope = CPROF__OTLP__SCOPE__INIT;
    struct resource_message resource;
    struct wire request;

    if (!encoder->scope.size || encoder_error(encoder))
        return;
    scope.name = (char *)(uintptr_t) "cprof";
    scope.version = (char *)(uintptr_t)CPROF_VERSION;
    wire_message(&encoder->scope, SCOPE_SCOPE, &scope.base);
    resource_fill(encoder->meta.resource, &resource);
    wire_message(&encoder->part, RESOURCE_RESOURCE, &resource.message.base);
    wire_field(&encoder->part, RESOURCE_SCOPE_PROFILES, encoder->scope.data, encoder->scope.size);
    wire_init(&request);
    wire_field(&request, REQUEST_RESOURCE_PROFILES, encoder->part.data, encoder->part.size);
    wire_field(&request, REQUEST_DICTIONARY, encoder->dictionary.bytes.data, encoder->dictionary.bytes.size);
    encoder->error = encoder->part.error ? encoder->part.error : request.error;
    if (encoder->error)
        wire_free(&request);
    else
        encoder->error = encoder->piece(encoder->context, request.data, request.size);
}

static bool is_full(const struct encoder *encoder)
{
    return encoder->samples >= encoder->limits->samples ||
           encoder->dictionary.bytes.size + encoder->scope.size + encoder->profile.size >=
               encoder->limits->bytes;
}

static void next_request(struct encoder *encoder)
{
    finish_request(encoder);
    if (encoder_error(encoder))
        return;
    encoder_free(encoder);
    encoder->error = encoder_init(encoder);
    encoder->meta.time_ns += encoder->limits->step_ns;
}

/* --- all profiles --- */

static void add_type(struct encoder *encoder, const struct profile *profile, const struct type *type)
{
    struct profile_sample sample;
    struct walk walk;
    bool more;

    encoder->error = walk_open(&walk, profile, &encoder->naming);
    if (encoder->error)
        return;
    for (more = walk_next(&walk, &sample); more && !encoder_error(encoder);) {
        if (sample.value[type->value])
            add_sample(encoder, &sample, sample.value[type->value] / type->divisor);
        more = walk_next(&walk, &sample);
        if (!is_full(encoder) && more)
            continue;
        finish_profile(encoder, type);
        if (is_full(encoder))
            next_request(encoder);
    }
    walk_close(&walk);
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

/*
 * CPU time is sent as numbers of samples, as OpenTelemetry's own profiler does, and the period says what each stands for. If
 * the rate changed meanwhile, samples stand for different times, and the period is what divides them all. So the sum times
 * the period is the CPU time.
 */
static struct type cpu_type(const struct profile *profile, int64_t period)
{
    const struct profile_kind *kind = profile_get_kind(profile);
    const struct profile_sample *sample;

    for (size_t cursor = 0; (sample = profile_next(profile, &cursor));)
        period = common_divisor(sample->value[1], period);
    if (period < 1)
        period = 1;
    return (struct type){kind->value[0].type,
                         kind->value[0].unit,
                         kind->period_type.type,
                         kind->period_type.unit,
                         period,
                         1,
                         period};
}

static void add_kind(struct encoder *encoder, const struct upload *upload, int id)
{
    const struct profile *profile = upload->interval[id];
    const struct profile_kind *kind = &profile_kinds[id];
    int64_t period = upload->period[id];

    if (id == KIND_ID_CPU) {
        const struct type type = cpu_type(profile, period);
        add_type(encoder, profile, &type);
        return;
    }
    for (unsigned i = 0; i < kind->values && !encoder_error(encoder); i++) {
        /* A period of 0 would take the name away. */
        const struct type type = {kind->value[i].type,
                                  kind->value[i].unit,
                                  kind->push_name,
                                  kind->period_type.unit,
                                  period > 0 ? period : 1,
                                  i,
                                  1};
        add_type(encoder, profile, &type);
    }
}

int otlp_encode(const struct upload *upload, const struct otlp_meta *meta, const struct otlp_limits *limits,
                otlp_piece *piece, void *context)
{
    struct encoder encoder = {.meta = *meta,
                              .naming = {.unnamed = meta->unnamed,
                                         .takes = meta->group ? fact_group_takes : NULL,
                                         .takes_context = meta->group},
                              .limits = limits,
                              .duration_ns = upload->end_ns - upload->start_ns,
                              .piece = piece,
                              .context = context};
    int error = encoder_init(&encoder);

    for (int id = 0; id < KIND_IDS && !error; id++) {
        if (upload->interval[id])
            add_kind(&encoder, upload, id);
        error = encoder_error(&encoder);
    }
    if (!error) {
        finish_request(&encoder);
        error = encoder_error(&encoder);
    }
    encoder_free(&encoder);
    return error;
}
