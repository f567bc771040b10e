/* SPDX-License-Identifier: Apache-2.0 */
#include "split_otlp.h"

#include <errno.h>
#include <stdlib.h>

#include "dictionary.h"
#include "uploader/otlp/otlp.pb-c.h"

/* Fields that are streamed, as in otlp.proto. */
enum {
    REQUEST_RESOURCE_PROFILES = 1,
    REQUEST_DICTIONARY = 2,
    RESOURCE_RESOURCE = 1,
    RESOURCE_SCOPE_PROFILES = 2,
    SCOPE_SCOPE = 1,
    SCOPE_PROFILES = 2,
    PROFILE_SAMPLES = 2,
};

/* One of the two: some of the samples, and a dictionary with what these need. */
struct half {
    const Cprof__Otlp__Dictionary *from;
    struct dictionary to;
    int32_t *stacks, *locations; /* 1 + index of those that were copied, by index in `from`; 0: not yet */
    size_t first, last, at;      /* the samples from first up to last, counted over all profiles */
    bool is_bad;                 /* an index leads nowhere */
    int error;
};

/* The entry of that index; NULL: there is none. */
#define ENTRY(half, table, index)                                                                            \
    ((index) >= 0 && (size_t)(index) < (half)->from->n_##table ? (half)->from->table[index]                  \
                                                               : ((half)->is_bad = true, NULL))

static int32_t copy_string(struct half *half, int32_t index)
{
    const char *text = ENTRY(half, string_table, index);
    return text ? dictionary_string(&half->to, text) : 0;
}

static int32_t copy_attribute(struct half *half, int32_t index)
{
    const Cprof__Otlp__KeyValueAndUnit *from = ENTRY(half, attribute_table, index);
    Cprof__Otlp__KeyValueAndUnit to;

    if (!from)
        return 0;
    to = *from;
    to.key_strindex = copy_string(half, from->key_strindex);
    return dictionary_put(&half->to, TABLE_ATTRIBUTE, &to.base);
}

/* The list is the unpacked message's, which each half reads, so it is copied. The caller frees it. */
static int32_t *copy_list(struct half *half, const int32_t *from, size_t count,
                          int32_t (*copy)(struct half *, int32_t))
{
    int32_t *to = calloc(count + 1, sizeof *to);

    for (size_t i = 0; to && i < count; i++)
        to[i] = copy(half, from[i]);
    if (!to)
        half->error = -ENOMEM;
    return to;
}

static int32_t copy_mapping(struct half *half, int32_t index)
{
    const Cprof__Otlp__Mapping *from = ENTRY(half, mapping_table, index);
    Cprof__Otlp__Mapping to;

    if (!from)
        return 0;
    to = *from;
    to.filename_strindex = copy_string(half, from->filename_strindex);
    to.attribute_indices =
        copy_list(half, from->attribute_indices, from->n_attribute_indices, copy_attribute);
    index = to.attribute_indices ? dictionary_put(&half->to, TABLE_MAPPING, &to.base) : 0;
    free(to.attribute_indices);
    return index;
}

static int32_t copy_function(struct half *half, int32_t index)
{
    const Cprof__Otlp__Function *from = ENTRY(half, function_table, index);
    Cprof__Otlp__Function to;

    if (!from)
        return 0;
    to = *from;
    to.name_strindex = copy_string(half, from->name_strindex);
    to.system_name_strindex = copy_string(half, from->system_name_strindex);
    to.filename_strindex = copy_string(half, from->filename_strindex);
    return dictionary_put(&half->to, TABLE_FUNCTION, &to.base);
}

static int32_t put_location(struct half *half, const Cprof__Otlp__Location *from, Cprof__Otlp__Line *line,
                            Cprof__Otlp__Line **lines)
{
    Cprof__Otlp__Location to = *from;
    int32_t index = 0;

    for (size_t i = 0; i < from->n_lines; i++) {
        line[i] = *from->lines[i];
        line[i].function_index = copy_function(half, line[i].function_index);
        lines[i] = &line[i];
    }
    to.lines = lines;
    to.mapping_index = copy_mapping(half, from->mapping_index);
    to.attribute_indices =
        copy_list(half, from->attribute_indices, from->n_attribute_indices, copy_attribute);
    if (to.attribute_indices)
        index = dictionary_put(&half->to, TABLE_LOCATION, &to.base);
    free(to.attribute_indices);
    return index;
}

static int32_t copy_location(struct half *half, int32_t index)
{
    const Cprof__Otlp__Location *from = ENTRY(half, location_table, index);
    const size_t count = from ? from->n_lines + 1 : 1;
    Cprof__Otlp__Line *line, **lines;

    if (!from || half->locations[index])
        return from ? half->locations[index] - 1 : 0;
    line = calloc(count, sizeof *line);
    lines = calloc(count, sizeof *lines);
    if (line && lines)
        half->locations[index] = 1 + put_location(half, from, line, lines);
    else
        half->error = -ENOMEM;
    free(line);
    free(lines);
    return half->locations[index] ? half->locations[index] - 1 : 0;
}

static int32_t copy_stack(struct half *half, int32_t index)
{
    const Cprof__Otlp__Stack *from = ENTRY(half, stack_table, index);
    Cprof__Otlp__Stack to;

    if (!from || half->stacks[index])
        return from ? half->stacks[index] - 1 : 0;
    to = *from;
    to.location_indices = copy_list(half, from->location_indices, from->n_location_indices, copy_location);
    if (to.location_indices)
        half->stacks[index] = 1 + dictionary_put(&half->to, TABLE_STACK, &to.base);
    free(to.location_indices);
    return half->stacks[index] ? half->stacks[index] - 1 : 0;
}

static int32_t copy_link(struct half *half, int32_t index)
{
    const Cprof__Otlp__Link *from = ENTRY(half, link_table, index);
    return from ? dictionary_put(&half->to, TABLE_LINK, &from->base) : 0;
}

static void copy_sample(struct half *half, const Cprof__Otlp__Sample *from, struct wire *profile)
{
    Cprof__Otlp__Sample to = *from;

    to.stack_index = copy_stack(half, from->stack_index);
    to.link_index = copy_link(half, from->link_index);
    to.attribute_indices =
        copy_list(half, from->attribute_indices, from->n_attribute_indices, copy_attribute);
    if (to.attribute_indices)
        wire_message(profile, PROFILE_SAMPLES, &to.base);
    free(to.attribute_indices);
}

static void fill_type(struct half *half, const Cprof__Otlp__ValueType *from, Cprof__Otlp__ValueType *to)
{
    *to = *from;
    to->type_strindex = copy_string(half, from->type_strindex);
    to->unit_strindex = copy_string(half, from->unit_strindex);
}

static void copy_profile(struct half *half, const Cprof__Otlp__Profile *from, struct wire *scope)
{
    Cprof__Otlp__Profile to = *from;
    Cprof__Otlp__ValueType sample_type, period_type;
    struct wire profile;

    wire_init(&profile);
    for (size_t i = 0; i < from->n_samples; i++, half->at++)
        if (half->at >= half->first && half->at < half->last)
            copy_sample(half, from->samples[i], &profile);
    if (profile.size && from->sample_type && from->period_type) {
        fill_type(half, from->sample_type, &sample_type);
        fill_type(half, from->period_type, &period_type);
        to.sample_type = &sample_type;
        to.period_type = &period_type;
        to.n_samples = 0;
        protobuf_c_message_pack_to_buffer(&to.base, &profile.base);
        wire_field(scope, SCOPE_PROFILES, profile.data, profile.size);
    }
    half->error = profile.error ? profile.error : half->error;
    wire_free(&profile);
}

static void copy_scope(struct half *half, const Cprof__Otlp__ScopeProfiles *from, struct wire *resource)
{
    struct wire scope;

    wire_init(&scope);
    for (size_t i = 0; i < from->n_profiles; i++)
        copy_profile(half, from->profiles[i], &scope);
    if (scope.size && from->scope)
        wire_message(&scope, SCOPE_SCOPE, &from->scope->base);
    if (scope.size)
        wire_field(resource, RESOURCE_SCOPE_PROFILES, scope.data, scope.size);
    half->error = scope.error ? scope.error : half->error;
    wire_free(&scope);
}

static void copy_resource(struct half *half, const Cprof__Otlp__ResourceProfiles *from, struct wire *request)
{
    struct wire resource;

    wire_init(&resource);
    for (size_t i = 0; i < from->n_scope_profiles; i++)
        copy_scope(half, from->scope_profiles[i], &resource);
    if (resource.size && from->resource)
        wire_message(&resource, RESOURCE_RESOURCE, &from->resource->base);
    if (resource.size)
        wire_field(request, REQUEST_RESOURCE_PROFILES, resource.data, resource.size);
    half->error = resource.error ? resource.error : half->error;
    wire_free(&resource);
}

static int make_half(const Cprof__Otlp__Request *from, size_t first, size_t last, otlp_piece *piece,
                     void *context)
{
    struct half half = {.from = from->dictionary, .first = first, .last = last};
    struct wire request;

    wire_init(&request);
    half.stacks = calloc(from->dictionary->n_stack_table + 1, sizeof *half.stacks);
    half.locations = calloc(from->dictionary->n_location_table + 1, sizeof *half.locations);
    half.error = dictionary_init(&half.to, NULL);
    if (!half.stacks || !half.locations)
        half.error = -ENOMEM;
    for (size_t i = 0; i < from->n_resource_profiles && !half.error; i++)
        copy_resource(&half, from->resource_profiles[i], &request);
    wire_field(&request, REQUEST_DICTIONARY, half.to.bytes.data, half.to.bytes.size);
    if (!half.error)
        half.error = half.is_bad           ? -EINVAL
                     : half.to.error       ? half.to.error
                     : half.to.bytes.error ? half.to.bytes.error
                                           : request.error;
    dictionary_free(&half.to);
    free(half.stacks);
    free(half.locations);
    if (!half.error)
        return piece(context, request.data, request.size);
    wire_free(&request);
    return half.error;
}

static size_t count_samples(const Cprof__Otlp__Request *request)
{
    size_t count = 0;

    for (size_t r = 0; r < request->n_resource_profiles; r++) {
        const Cprof__Otlp__ResourceProfiles *resource = request->resource_profiles[r];
        for (size_t s = 0; s < resource->n_scope_profiles; s++)
            for (size_t p = 0; p < resource->scope_profiles[s]->n_profiles; p++)
                count += resource->scope_profiles[s]->profiles[p]->n_samples;
    }
    return count;
}

int otlp_split(const uint8_t *data, size_t size, otlp_piece *piece, void *context)
{
    Cprof__Otlp__Request *request = cprof__otlp__request__unpack(NULL, size, data);
    size_t samples = request ? count_samples(request) : 0;
    int error = !request || !request->dictionary ? -EINVAL : samples < 2 ? -E2BIG : 0;

    if (!error)
        error = make_half(request, 0, samples / 2, piece, context);
    if (!error)
        error = make_half(request, samples / 2, samples, piece, context);
    if (request)
        cprof__otlp__request__free_unpacked(request, NULL);
    return error;
}
