/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of OTLP, read back: a dictionary by the rules, a Profile for each value, the sums of the profiles, however many
 * requests they are spread over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/otlp/encode_otlp.h"
#include "uploader/otlp/otlp.pb-c.h"
#include "uploader/otlp/split_otlp.h"

static const struct elf_module app = {.path = "/usr/bin/app",
                                      .name = "app",
                                      .build_id = {0xde, 0xad, 1},
                                      .build_id_size = 3,
                                      .htlhash = {0xab},
                                      .has_htlhash = true,
                                      .id = 2};
static const struct elf_module plain = {.path = "/lib/libplain.so", .name = "libplain.so", .id = 1};

static const struct symbol_line lines_main[] = {{"main", "main", "app.c", 10, 8}};
static const struct symbol_line lines_work[] = {{"helper(int)", "_Z6helperi", "app.h", 3, 2},
                                                {"work", "work", "app.c", 20, 18}};
static const struct symbol_line lines_rust[] = {
    {"core::ops::go", "_ZN4core3ops2go17h0123456789abcdefE", "\xff.rs", 1, 1}};
static const struct symbol_line lines_python[] = {{"py::f:/x.py", "py::f:/x.py", "", 0, 0}};
static const struct symbol_line lines_unnamed[] = {{"app+0x300", "app+0x300", "", 0, 0}};
static const struct symbol_location in_main = {&app, 0x1000, 1, 1, lines_main};
static const struct symbol_location in_work = {&app, 0x1100, 2, 2, lines_work};
static const struct symbol_location in_rust = {&plain, 0x1000, 3, 1, lines_rust};
static const struct symbol_location in_python = {NULL, 0x7000, 4, 1, lines_python};
static const struct symbol_location unnamed = {&app, 0x300, 5, 1, lines_unnamed, true};
static const struct symbol_location *const stack_work[] = {&in_work, &in_main};
static const struct symbol_location *const stack_mixed[] = {&unnamed, &in_python, &in_rust, &in_work,
                                                            &in_main};

static void add(struct profile *profile, const struct symbol_location *const *frame, uint32_t frames,
                uint32_t pid, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t value[PROFILE_VALUES] = {a, b, c, d};

    assert_int_equal(profile_add(profile, frame, frames, pid, "", value, NULL), 0);
}

/* ---- requests, read back ---- */
enum { REQUESTS = 400 };
static struct {
    uint8_t *data;
    size_t size;
    Cprof__Otlp__Request *message;
} request[REQUESTS];
static unsigned requests;

static int keep(void *context, uint8_t *data, size_t size)
{
    (void)context;
    assert_true(requests < REQUESTS);
    request[requests].data = data;
    request[requests].size = size;
    request[requests].message = cprof__otlp__request__unpack(NULL, size, data);
    assert_non_null(request[requests].message);
    requests++;
    return 0;
}

static int forget(void **state)
{
    (void)state;
    for (unsigned i = 0; i < requests; i++) {
        free(request[i].data);
        cprof__otlp__request__free_unpacked(request[i].message, NULL);
    }
    requests = 0;
    return 0;
}

static const Cprof__Otlp__Profile *next_profile(unsigned *r, size_t *p)
{
    for (; *r < requests; ++*r, *p = 0) {
        const Cprof__Otlp__ScopeProfiles *scope =
            request[*r].message->resource_profiles[0]->scope_profiles[0];
        if (*p < scope->n_profiles)
            return scope->profiles[(*p)++];
    }
    return NULL;
}

static const char *text(unsigned r, int32_t index)
{
    const Cprof__Otlp__Dictionary *dictionary = request[r].message->dictionary;

    assert_true(index >= 0 && (size_t)index < dictionary->n_string_table);
    return dictionary->string_table[index];
}

/* The sum of a type, over all requests; *period is that of the last one. */
static int64_t total(const char *type, const char *period_type, int64_t *period)
{
    const Cprof__Otlp__Profile *profile;
    unsigned r = 0;
    size_t p = 0;
    int64_t sum = 0;

    while ((profile = next_profile(&r, &p))) {
        if (strcmp(text(r, profile->sample_type->type_strindex), type) != 0 ||
            strcmp(text(r, profile->period_type->type_strindex), period_type) != 0)
            continue;
        *period = profile->period;
        for (size_t i = 0; i < profile->n_samples; i++) {
            assert_int_equal(profile->samples[i]->n_values, 1);
            sum += profile->samples[i]->values[0];
        }
    }
    return sum;
}

/* ---- the rules of dictionaries ---- */
static void check_range(const int32_t *index, size_t count, size_t entries)
{
    for (size_t i = 0; i < count; i++)
        assert_true(index[i] >= 0 && (size_t)index[i] < entries);
}

static void check_locations(const Cprof__Otlp__Dictionary *dictionary)
{
    for (size_t i = 0; i < dictionary->n_location_table; i++) {
        const Cprof__Otlp__Location *location = dictionary->location_table[i];
        check_range(&location->mapping_index, 1, dictionary->n_mapping_table);
        check_range(location->attribute_indices, location->n_attribute_indices,
                    dictionary->n_attribute_table);
        for (size_t n = 0; n < location->n_lines; n++)
            check_range(&location->lines[n]->function_index, 1, dictionary->n_function_table);
    }
}

static void check_dictionary(const Cprof__Otlp__Dictionary *dictionary)
{
    assert_string_equal(dictionary->string_table[0], "");
    for (size_t i = 0; i < dictionary->n_string_table; i++)
        for (size_t n = 0; n < i; n++)
            assert_string_not_equal(dictionary->string_table[i], dictionary->string_table[n]);
    assert_int_equal(cprof__otlp__mapping__get_packed_size(dictionary->mapping_table[0]), 0);
    assert_int_equal(cprof__otlp__location__get_packed_size(dictionary->location_table[0]), 0);
    assert_int_equal(cprof__otlp__function__get_packed_size(dictionary->function_table[0]), 0);
    assert_int_equal(cprof__otlp__key_value_and_unit__get_packed_size(dictionary->attribute_table[0]), 0);
    assert_int_equal(dictionary->stack_table[0]->n_location_indices, 0);
    assert_int_equal(cprof__otlp__link__get_packed_size(dictionary->link_table[0]), 0);
    for (size_t i = 1; i < dictionary->n_stack_table; i++)
        check_range(dictionary->stack_table[i]->location_indices,
                    dictionary->stack_table[i]->n_location_indices, dictionary->n_location_table);
    check_locations(dictionary);
}

static void check_requests(void)
{
    const Cprof__Otlp__Profile *profile;
    unsigned r = 0;
    size_t p = 0;

    for (unsigned i = 0; i < requests; i++)
        check_dictionary(request[i].message->dictionary);
    while ((profile = next_profile(&r, &p))) {
        assert_true(profile->n_samples > 0);
        assert_int_equal(profile->profile_id.len, 16);
        for (size_t i = 0; i < profile->n_samples; i++)
            check_range(&profile->samples[i]->stack_index, 1, request[r].message->dictionary->n_stack_table);
    }
}

static const char *attribute(const Cprof__Otlp__Dictionary *dictionary, const int32_t *index, size_t count,
                             const char *key)
{
    for (size_t i = 0; i < count; i++) {
        const Cprof__Otlp__KeyValueAndUnit *pair = dictionary->attribute_table[index[i]];
        if (!strcmp(dictionary->string_table[pair->key_strindex], key))
            return pair->value->string_value;
    }
    return NULL;
}

/* ---- tests ---- */
static struct resource resource;
static const struct otlp_limits no_limits = {SIZE_MAX, SIZE_MAX, SIZE_MAX, MS_NS};

static void encode(struct profile *cpu, struct profile *memory, const struct otlp_limits *limits)
{
    const struct otlp_meta meta = {1000 * SECOND_NS, PROFILE_UNNAMED_LEFT_BY_ID, &resource};
    const struct upload upload = {
        .program = "app",
        .service = "shop",
        .start_ns = 1000 * SECOND_NS,
        .end_ns = 1015 * SECOND_NS,
        .interval = {[KIND_ID_CPU] = cpu, [KIND_ID_MEMORY] = memory},
        .period = {[KIND_ID_CPU] = 10000000, [KIND_ID_MEMORY] = 524288},
    };

    assert_int_equal(otlp_encode(&upload, &meta, limits, keep, NULL), 0);
    check_requests();
}

static void a_profile_for_each_value(void **state)
{
    struct profile *cpu = profile_new(&profile_kinds[KIND_ID_CPU], 100),
                   *memory = profile_new(&profile_kinds[KIND_ID_MEMORY], 100);
    int64_t period = 0;

    (void)state;
    add(cpu, stack_work, 2, 7, 1, 10000000, 0, 0);
    add(cpu, stack_work, 2, 8, 2, 20000000, 0, 0); /* the same without its process */
    add(cpu, stack_mixed, 5, 7, 4, 40000000, 0, 0);
    add(memory, stack_work, 2, 7, 3, 3000, 0, 0);
    add(memory, stack_mixed, 5, 7, 4, 400, 1, 100);
    encode(cpu, memory, &no_limits);
    assert_int_equal(requests, 1);
    assert_int_equal(request[0].message->resource_profiles[0]->scope_profiles[0]->n_profiles, 5);
    assert_int_equal(total("samples", "cpu", &period), 7);
    assert_int_equal(period, 10000000);
    assert_int_equal(total("alloc_objects", "memory", &period), 7);
    assert_int_equal(period, 524288);
    assert_int_equal(total("alloc_space", "memory", &period), 3400);
    assert_int_equal(total("inuse_objects", "memory", &period), 1);
    assert_int_equal(total("inuse_space", "memory", &period), 100);
    assert_int_equal(request[0].message->resource_profiles[0]->scope_profiles[0]->profiles[0]->n_samples, 2);
    assert_int_equal(request[0].message->dictionary->n_stack_table, 3);
    profile_free(cpu);
    profile_free(memory);
}

static void samples_of_several_rates_keep_their_sum(void **state)
{
    struct profile *cpu = profile_new(&profile_kinds[KIND_ID_CPU], 100);
    int64_t period = 0;

    (void)state;
    add(cpu, stack_work, 2, 7, 3, 30000000, 0, 0);
    add(cpu, stack_mixed, 5, 7, 3, 15000000, 0, 0); /* of 5 ms each */
    encode(cpu, NULL, &no_limits);
    assert_int_equal(total("samples", "cpu", &period) * period, 45000000);
    assert_int_equal(period, 5000000);
    profile_free(cpu);
}

static void locations_say_what_they_are(void **state)
{
    static const char *const types[] = {"native", "cpython", "rust", "native", "native"};
    struct profile *cpu = profile_new(&profile_kinds[KIND_ID_CPU], 100);
    const Cprof__Otlp__Dictionary *dictionary;
    const Cprof__Otlp__Stack *stack;

    (void)state;
    add(cpu, stack_mixed, 5, 7, 1, 10000000, 0, 0);
    encode(cpu, NULL, &no_limits);
    dictionary = request[0].message->dictionary;
    stack = dictionary->stack_table[1];
    assert_int_equal(stack->n_location_indices, 5);
    for (size_t i = 0; i < 5; i++) {
        const Cprof__Otlp__Location *location = dictionary->location_table[stack->location_indices[i]];
        const Cprof__Otlp__Mapping *mapping = dictionary->mapping_table[location->mapping_index];
        assert_string_equal(attribute(dictionary, location->attribute_indices, location->n_attribute_indices,
                                      "profile.frame.type"),
                            types[i]);
        if (i == 1) {
            assert_int_equal(location->mapping_index, 0);
            assert_int_equal(location->address, 0x7000);
            continue;
        }
        assert_true(location->address >= mapping->memory_start && location->address < mapping->memory_limit);
        if (i == 2)
            continue;
        assert_string_equal(dictionary->string_table[mapping->filename_strindex], "/usr/bin/app");
        assert_string_equal(attribute(dictionary, mapping->attribute_indices, mapping->n_attribute_indices,
                                      "process.executable.build_id.gnu"),
                            "dead01");
        assert_string_equal(attribute(dictionary, mapping->attribute_indices, mapping->n_attribute_indices,
                                      "process.executable.build_id.htlhash"),
                            "ab000000000000000000000000000000");
        assert_int_equal(location->n_lines, (i == 0) ? 0 : (i == 3) ? 2 : 1);
    }
    profile_free(cpu);
}

static struct profile *many_stacks(unsigned stacks)
{
    struct profile *cpu = profile_new(&profile_kinds[KIND_ID_CPU], stacks);
    static struct symbol_location location[1000];

    for (unsigned i = 0; i < stacks; i++) {
        const struct symbol_location *const stack[] = {&location[i], &in_work, &in_main};
        location[i] = (struct symbol_location){&plain, 16 * i, 10 + i, 1, lines_rust};
        add(cpu, stack, 3, 7, 1, 10000000, 0, 0);
    }
    return cpu;
}

static void pieces_have_every_sample_once(void **state)
{
    const struct otlp_limits by_samples = {100, SIZE_MAX, SIZE_MAX, MS_NS},
                             by_bytes = {SIZE_MAX, SIZE_MAX, 2000, MS_NS},
                             two_frames = {SIZE_MAX, 2, SIZE_MAX, MS_NS};
    struct profile *cpu = many_stacks(1000);
    int64_t period = 0;
    unsigned r = 0;
    size_t p = 0;

    encode(cpu, NULL, &by_samples);
    assert_int_equal(requests, 10);
    assert_int_equal(total("samples", "cpu", &period), 1000);
    for (int64_t i = 0; i < 10; i++)
        assert_int_equal(next_profile(&r, &p)->time_unix_nano, 1000 * SECOND_NS + i * MS_NS);
    forget(state);
    encode(cpu, NULL, &by_bytes);
    assert_true(requests > 10);
    for (unsigned i = 0; i < requests; i++)
        assert_true(request[i].size < 2600);
    assert_int_equal(total("samples", "cpu", &period), 1000);
    forget(state);
    encode(cpu, NULL, &two_frames);
    assert_int_equal(request[0].message->dictionary->stack_table[1]->n_location_indices, 2);
    profile_free(cpu);
}

static void nothing_is_no_request(void **state)
{
    struct profile *cpu = profile_new(&profile_kinds[KIND_ID_CPU], 1);

    (void)state;
    encode(cpu, NULL, &no_limits);
    assert_int_equal(requests, 0);
    profile_free(cpu);
}

static void a_request_is_split(void **state)
{
    struct profile *cpu = many_stacks(999);
    uint8_t *whole;
    size_t size;
    int64_t period = 0;

    encode(cpu, NULL, &no_limits);
    whole = request[0].data;
    size = request[0].size;
    request[0].data = NULL;
    forget(state);
    assert_int_equal(otlp_split(whole, size, keep, NULL), 0);
    assert_int_equal(requests, 2);
    check_requests();
    assert_int_equal(total("samples", "cpu", &period), 999);
    assert_int_equal(period, 10000000);
    assert_true(request[0].size < size * 6 / 10 && request[1].size < size * 6 / 10);
    assert_non_null(request[1].message->resource_profiles[0]->resource);
    assert_string_equal(request[1].message->resource_profiles[0]->scope_profiles[0]->scope->name, "cprof");
    assert_int_equal(otlp_split(whole, size / 2, keep, NULL), -EINVAL);
    assert_int_equal(otlp_split(whole, 0, keep, NULL), -EINVAL);
    free(whole);
    profile_free(cpu);
}

static void one_sample_is_not_split(void **state)
{
    struct profile *cpu = many_stacks(1);

    (void)state;
    encode(cpu, NULL, &no_limits);
    assert_int_equal(otlp_split(request[0].data, request[0].size, keep, NULL), -E2BIG);
    profile_free(cpu);
}

static void labels_are_attributes_and_traces_are_links(void **state)
{
    static const struct label_list list = {2, {{"endpoint", "/cart"}, {"a", "b"}}};
    static const uint8_t trace_id[16] = {1, 2}, span_id[8] = {3};
    struct profile *cpu = profile_new(&profile_kinds[KIND_ID_CPU], 10);
    struct label_sets sets = {.count = 0};
    struct profile_trace trace;
    struct profile_sample sample = {
        .pid = 7, .frames = 2, .thread = "", .value = {1, 10000000}, .frame = stack_work};
    const Cprof__Otlp__Dictionary *dictionary;
    const Cprof__Otlp__Profile *profile;

    (void)state;
    profile_trace_make(&trace, trace_id, span_id, "\0\0\0\0\0\0\0");
    assert_int_equal(profile_add_thread(cpu, &sample, NULL), 0);
    sample.labels = label_sets_get(&sets, &list);
    sample.trace = &trace;
    assert_int_equal(profile_add_thread(cpu, &sample, NULL), 0);
    encode(cpu, NULL, &no_limits);
    dictionary = request[0].message->dictionary;
    profile = request[0].message->resource_profiles[0]->scope_profiles[0]->profiles[0];
    assert_int_equal(profile->n_samples, 2);
    for (size_t i = 0; i < 2; i++) {
        const Cprof__Otlp__Sample *got = profile->samples[i];
        assert_int_equal(got->stack_index, 1);
        if (!got->link_index) {
            assert_int_equal(got->n_attribute_indices, 0);
            continue;
        }
        assert_memory_equal(dictionary->link_table[got->link_index]->trace_id.data, trace_id, 16);
        assert_memory_equal(dictionary->link_table[got->link_index]->span_id.data, span_id, 8);
        assert_int_equal(got->n_attribute_indices, 2);
        assert_string_equal(attribute(dictionary, got->attribute_indices, 2, "endpoint"), "/cart");
    }
    assert_int_equal(dictionary->n_link_table, 2);
    forget(state);
    assert_int_equal(requests, 0);
    profile_free(cpu);
    label_sets_free(&sets);
}

static void attributes_of_the_resource(void **state)
{
    struct profile *cpu = many_stacks(1);
    const Cprof__Otel__Resource *sent;

    (void)state;
    assert_true(resource_add(&resource, "service.name", "shop\xff"));
    assert_false(resource_add(&resource, "service.name", "store"));
    assert_false(resource_add(&resource, "empty", ""));
    assert_true(resource_add_number(&resource, "process.pid", 77));
    encode(cpu, NULL, &no_limits);
    sent = request[0].message->resource_profiles[0]->resource;
    assert_int_equal(sent->n_attributes, 2);
    assert_string_equal(sent->attributes[0]->key, "service.name");
    assert_string_equal(sent->attributes[0]->value->string_value, "shop?");
    assert_int_equal(sent->attributes[1]->value->int_value, 77);
    resource_free(&resource);
    profile_free(cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_profile_for_each_value, forget),
        cmocka_unit_test_teardown(samples_of_several_rates_keep_their_sum, forget),
        cmocka_unit_test_teardown(locations_say_what_they_are, forget),
        cmocka_unit_test_teardown(pieces_have_every_sample_once, forget),
        cmocka_unit_test_teardown(nothing_is_no_request, forget),
        cmocka_unit_test_teardown(a_request_is_split, forget),
        cmocka_unit_test_teardown(one_sample_is_not_split, forget),
        cmocka_unit_test_teardown(labels_are_attributes_and_traces_are_links, forget),
        cmocka_unit_test_teardown(attributes_of_the_resource, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
