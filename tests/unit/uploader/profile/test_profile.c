/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles in memory, and their pprof encoding read back by protobuf-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/uploader/gunzip.h"
#include "uploader/encoding/utf8.h"
#include "uploader/pprof/encode.h"
#include "uploader/pprof/profile.pb-c.h"
#include "uploader/profile/profile.h"
#include "uploader/profile/unnamed.h"

static const struct elf_module app = {.path = "/usr/bin/app",
                                      .name = "app",
                                      .package = "app-dbgsym",
                                      .build_id = {0xde, 0xad, 1},
                                      .build_id_size = 3,
                                      .has_functions = true,
                                      .has_lines = true,
                                      .has_inlines = true,
                                      .id = 2};
static const struct elf_module libc = {.path = "/lib/libc.so.6", .name = "libc.so.6", .id = 1};

static const struct symbol_line lines_main[] = {{"main", "main", "app.c", 10, 8}};
static const struct symbol_line lines_work[] = {{"helper(int)", "_Z6helperi", "app.h", 3, 2},
                                                {"work", "work", "app.c", 20, 18}};
static const struct symbol_line lines_write[] = {{"write", "write", "", 0, 0}};
static const struct symbol_line lines_over[] = {{"[beyond]", "[beyond]", "", 0, 0}};
static const struct symbol_line lines_bad[] = {
    {"</script>\xff\x01\"", "</script>\xff\x01\"", "\xed\xa0\x80", 0, 0}};
static const struct symbol_location in_main = {&app, 0x1000, 1, 1, lines_main};
static const struct symbol_location in_work = {&app, 0x1100, 2, 2, lines_work};
static const struct symbol_location in_write = {&libc, 0x1000, 3, 1, lines_write};
static const struct symbol_location overflow = {NULL, 0, 4, 1, lines_over};
static const struct symbol_location in_bad = {&app, 0x2000, 5, 1, lines_bad};

static const struct symbol_location *const stack_work[] = {&in_work, &in_main};
static const struct symbol_location *const stack_write[] = {&in_write, &in_work, &in_main};
static const struct symbol_location *const stack_bad[] = {&in_bad, &in_main};
static const char thread_a[] = "a", thread_b[] = "b";

static void add(struct profile *profile, const struct symbol_location *const *frame, uint32_t frames,
                uint32_t pid, const char *thread, int64_t first, int64_t second)
{
    const int64_t value[PROFILE_VALUES] = {first, second};

    assert_int_equal(profile_add(profile, frame, frames, pid, thread, value, &overflow), 0);
}

static struct profile *example(void)
{
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 100);

    add(profile, stack_work, 2, 7, thread_a, 1, 10);
    add(profile, stack_write, 3, 7, thread_a, 2, 20);
    add(profile, stack_work, 2, 7, thread_b, 4, 40);
    add(profile, stack_work, 2, 8, "", 8, 80);
    add(profile, stack_work, 2, 7, thread_a, 16, 160);
    return profile;
}

static void equal_samples_are_merged(void **state)
{
    struct profile *profile = example();
    size_t cursor = 0;

    (void)state;
    assert_int_equal(profile_count(profile), 4);
    assert_int_equal(profile_total(profile, 0), 31);
    assert_int_equal(profile_total(profile, 1), 310);
    assert_int_equal(profile_next(profile, &cursor)->value[1], 170);
    profile_free(profile);
}

static void many_stacks_keep_their_values(void **state)
{
    enum { STACKS = 5000 };
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], STACKS), *copy;
    static struct symbol_location location[STACKS];

    (void)state;
    copy = profile_new(&profile_kinds[KIND_ID_CPU], STACKS);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < STACKS; i++) {
            const struct symbol_location *const stack[] = {&location[i], &in_main};
            add(profile, stack, 2, 1 + i % 3, i % 2 ? thread_a : "", 1, i);
        }
    assert_int_equal(profile_count(profile), STACKS);
    assert_int_equal(profile_merge(copy, profile, &overflow), 0);
    assert_int_equal(profile_merge(copy, profile, &overflow), 0);
    assert_int_equal(profile_count(copy), STACKS);
    assert_int_equal(profile_total(copy, 0), 4 * STACKS);
    assert_int_equal(profile_overflowed(copy), 0);
    profile_free(profile);
    profile_free(copy);
}

static void stacks_share_their_callers(void **state)
{
    struct profile *profile = example();
    const struct profile_sample *first, *other;
    size_t cursor = 0;

    (void)state;
    first = profile_next(profile, &cursor);
    other = profile_next(profile, &cursor);
    assert_ptr_not_equal(first->stack, other->stack);
    assert_ptr_equal(first->stack->caller, other->stack->caller->caller);
    assert_ptr_equal(first->stack->caller->location, &in_main);
    assert_null(first->stack->caller->caller);
    profile_free(profile);
}

static void values_are_cleared_by_process(void **state)
{
    struct profile *profile = example();

    (void)state;
    profile_clear(profile, 1u << 1, 7);
    assert_int_equal(profile_total(profile, 0), 31);
    assert_int_equal(profile_total(profile, 1), 80);
    profile_clear(profile, 1u << 0 | 1u << 1, 0);
    assert_int_equal(profile_count(profile), 0);
    profile_free(profile);
}

static void stacks_past_the_ceiling_are_summed_up_by_process(void **state)
{
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 1);
    size_t cursor = 0;
    const struct profile_sample *sample;

    (void)state;
    add(profile, stack_work, 2, 7, "", 1, 1);
    add(profile, stack_write, 3, 7, "", 2, 2);
    add(profile, stack_bad, 2, 7, thread_a, 4, 4);
    add(profile, stack_bad, 2, 8, "", 8, 8);
    add(profile, stack_work, 2, 7, "", 16, 16);
    assert_int_equal(profile_overflowed(profile), 3);
    assert_int_equal(profile_total(profile, 0), 31);
    profile_next(profile, &cursor);
    sample = profile_next(profile, &cursor);
    assert_ptr_equal(sample->stack->location, &overflow);
    assert_int_equal(sample->value[0], 6);
    assert_int_equal(profile_count(profile), 3);
    profile_free(profile);
}

static void sums_stop_at_the_ends_of_their_range(void **state)
{
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 10);

    (void)state;
    add(profile, stack_work, 2, 7, "", INT64_MAX, INT64_MIN);
    add(profile, stack_work, 2, 7, "", INT64_MAX, INT64_MIN);
    assert_true(profile_total(profile, 0) == INT64_MAX);
    assert_true(profile_total(profile, 1) == INT64_MIN);
    profile_free(profile);
}

static Cprof__Profile *decode(const uint8_t *data, size_t size)
{
    Cprof__Profile *decoded;
    uint8_t *plain = gunzip(data, size, &size);

    assert_non_null(plain);
    decoded = cprof__profile__unpack(NULL, size, plain);
    free(plain);
    assert_non_null(decoded);
    assert_string_equal(decoded->string_table[0], "");
    return decoded;
}

static Cprof__Profile *encode_and_decode(const struct profile *profile, const struct profile_meta *meta)
{
    Cprof__Profile *decoded;
    uint8_t *data;
    size_t size;

    assert_int_equal(profile_encode(profile, meta, &data, &size), 0);
    decoded = decode(data, size);
    free(data);
    return decoded;
}

static const char *text_at(const Cprof__Profile *decoded, int64_t index)
{
    assert_in_range(index, 0, decoded->n_string_table - 1);
    return decoded->string_table[index];
}

static void encoding_is_read_back_as_it_was(void **state)
{
    static const char *const comments[] = {"made by a test", "twice", NULL};
    const struct profile_meta meta = {.time_ns = 5,
                                      .duration_ns = 6,
                                      .period = 7,
                                      .comments = comments,
                                      .program = "app",
                                      .with_labels = true};
    struct profile *profile = example();
    Cprof__Profile *p = encode_and_decode(profile, &meta);
    const Cprof__Location *location;
    const Cprof__Function *function;

    (void)state;
    assert_int_equal(p->n_sample, 4);
    assert_int_equal(p->sample[0]->value[1], 170);
    assert_string_equal(text_at(p, p->sample_type[1]->type), "cpu");
    assert_string_equal(text_at(p, p->sample_type[1]->unit), "nanoseconds");
    assert_string_equal(text_at(p, p->default_sample_type), "cpu");
    assert_string_equal(text_at(p, p->comment[1]), "twice");
    assert_int_equal(p->time_nanos, 5);
    assert_int_equal(p->duration_nanos, 6);
    assert_int_equal(p->period, 7);
    assert_string_equal(text_at(p, p->sample[0]->label[0]->key), "pid");
    assert_int_equal(p->sample[0]->label[0]->num, 7);
    assert_string_equal(text_at(p, p->sample[0]->label[1]->str), "a");
    assert_int_equal(p->sample[3]->n_label, 1);
    location = p->location[p->sample[0]->location_id[0] - 1];
    assert_int_equal(location->n_line, 2);
    function = p->function[location->line[0]->function_id - 1];
    assert_string_equal(text_at(p, function->name), "helper(int)");
    assert_string_equal(text_at(p, function->system_name), "_Z6helperi");
    assert_int_equal(function->start_line, 2);
    assert_int_equal(location->line[1]->line, 20);
    assert_int_equal(p->n_location, 3);
    assert_int_equal(p->n_function, 4);
    for (size_t i = 0; i < p->n_location; i++)
        assert_int_equal(p->location[i]->id, i + 1);
    cprof__profile__free_unpacked(p, NULL);
    profile_free(profile);
}

static void the_program_is_the_first_mapping(void **state)
{
    const struct profile_meta meta = {.program = "app"}, other = {.program = "elsewhere"};
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 10);
    Cprof__Profile *p;

    (void)state;
    add(profile, stack_write, 3, 1, "", 1, 1);
    p = encode_and_decode(profile, &meta);
    assert_int_equal(p->n_mapping, 2);
    assert_string_equal(text_at(p, p->mapping[0]->filename), "/usr/bin/app");
    assert_string_equal(text_at(p, p->mapping[0]->build_id), "dead01");
    assert_true(p->mapping[0]->has_functions && p->mapping[1]->has_functions);
    assert_false(p->mapping[1]->has_filenames);
    for (size_t i = 0; i < p->n_location; i++) {
        const Cprof__Mapping *mapping = p->mapping[p->location[i]->mapping_id - 1];
        assert_in_range(p->location[i]->address, mapping->memory_start, mapping->memory_limit - 1);
    }
    cprof__profile__free_unpacked(p, NULL);
    p = encode_and_decode(profile, &other);
    assert_int_equal(p->n_mapping, 3);
    assert_string_equal(text_at(p, p->mapping[0]->filename), "elsewhere");
    cprof__profile__free_unpacked(p, NULL);
    profile_free(profile);
}

static const struct symbol_line lines_none[] = {{"app+0x1230", "app+0x1230", "", 0, 0}};
static const struct symbol_line lines_no_id[] = {{"libc.so.6+0x1230", "libc.so.6+0x1230", "", 0, 0}};
static const struct symbol_location in_none = {&app, 0x1234, 6, 1, lines_none, .unnamed = true};
static const struct symbol_location in_no_id = {&libc, 0x1238, 7, 1, lines_no_id, .unnamed = true};
static const struct symbol_location *const stack_none[] = {&in_none, &in_no_id, &in_main};

/* The location of this module and number of lines, whose mapping claims to have functions or not. */
static const Cprof__Location *find_location(const Cprof__Profile *p, const char *file, size_t lines,
                                            bool claims)
{
    for (size_t i = 0; i < p->n_location; i++) {
        const Cprof__Mapping *mapping = p->mapping[p->location[i]->mapping_id - 1];
        if (!strcmp(text_at(p, mapping->filename), file) && p->location[i]->n_line == lines &&
            mapping->has_functions == claims)
            return p->location[i];
    }
    return NULL;
}

/* Locations without a name have their ELF address in a mapping that spans all and claims no functions. */
static void unnamed_locations_are_left_to_be_named(void **state)
{
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 10);
    struct profile_meta meta = {.program = "app"};
    const Cprof__Mapping *first;
    Cprof__Profile *p;

    (void)state;
    add(profile, stack_none, 3, 1, "", 1, 1);
    p = encode_and_decode(profile, &meta);
    first = p->mapping[0];
    assert_string_equal(text_at(p, first->filename),
                        "/usr/bin/app"); /* `pprof BINARY FILE` names the first */
    assert_false(first->has_functions || first->has_filenames || first->has_line_numbers);
    assert_true(first->memory_start == 0 && first->memory_limit == UINT64_MAX && first->file_offset == 0);
    assert_int_equal(find_location(p, "/usr/bin/app", 0, false)->address, 0x1234);
    assert_int_equal(find_location(p, "/lib/libc.so.6", 0, false)->address, 0x1238);
    assert_non_null(find_location(p, "/usr/bin/app", 1, true));
    cprof__profile__free_unpacked(p, NULL);

    meta.unnamed = PROFILE_UNNAMED_LEFT_BY_ID;
    p = encode_and_decode(profile, &meta);
    assert_int_equal(find_location(p, "/usr/bin/app", 0, false)->address, 0x1234);
    assert_non_null(find_location(p, "/lib/libc.so.6", 1, true));
    cprof__profile__free_unpacked(p, NULL);

    meta.unnamed = PROFILE_UNNAMED_SHOWN;
    p = encode_and_decode(profile, &meta);
    assert_int_equal(p->n_mapping, 2);
    assert_true(p->mapping[0]->has_functions && p->mapping[1]->has_functions);
    cprof__profile__free_unpacked(p, NULL);
    profile_free(profile);
}

/* By the innermost frame that is in a module: what a wait is called does not hide it. */
static void modules_without_symbols_have_their_share(void **state)
{
    static const struct symbol_location *const stack_wait[] = {&overflow, &in_none, &in_main};
    struct profile *profile[KIND_IDS] = {[KIND_ID_CPU] = profile_new(&profile_kinds[KIND_ID_CPU], 10)};
    struct unnamed unnamed;
    char text[UNNAMED_TEXT];

    (void)state;
    assert_false(unnamed_find(profile, &unnamed));
    add(profile[KIND_ID_CPU], stack_work, 2, 1, "", 1, 60);
    assert_false(unnamed_find(profile, &unnamed));
    add(profile[KIND_ID_CPU], stack_none, 3, 1, "", 1, 20);
    add(profile[KIND_ID_CPU], stack_wait, 3, 1, "", 1, 10);
    add(profile[KIND_ID_CPU], stack_none + 1, 2, 1, "", 1, 10);
    assert_true(unnamed_find(profile, &unnamed));
    assert_int_equal(unnamed.kind, KIND_ID_CPU);
    assert_int_equal(unnamed.count, 2);
    assert_true(unnamed.share > 0.399 && unnamed.share < 0.401);
    assert_ptr_equal(unnamed.module[0].module, &app);
    assert_ptr_equal(unnamed.module[1].module, &libc);
    unnamed_text(&unnamed.module[0], text);
    assert_string_equal(text, "app 30.0 % (app-dbgsym)");
    unnamed_text(&unnamed.module[1], text);
    assert_string_equal(text, "libc.so.6 10.0 %");
    profile_free(profile[KIND_ID_CPU]);
}

static void without_labels_equal_stacks_are_one(void **state)
{
    const struct profile_meta meta = {.with_labels = false};
    struct profile *profile = example();
    Cprof__Profile *p = encode_and_decode(profile, &meta);
    int64_t sum = 0;

    (void)state;
    assert_int_equal(p->n_sample, 2);
    for (size_t i = 0; i < p->n_sample; i++) {
        assert_int_equal(p->sample[i]->n_label, 0);
        sum += p->sample[i]->value[1];
    }
    assert_int_equal(sum, 310);
    cprof__profile__free_unpacked(p, NULL);
    profile_free(profile);
}

/* Every combination of three frames, of which some are one place at two addresses. */
static void without_addresses_equal_places_are_one(void **state)
{
    static const struct symbol_location same_main = {&app, 0x1010, 6, 1, lines_main},
                                        same_work = {&app, 0x1110, 7, 2, lines_work},
                                        same_none = {&app, 0x1238, 8, 1, lines_write, true};
    static const struct symbol_location *const all[] = {&in_main,   &in_none,  &same_work, &overflow,
                                                        &same_main, &in_write, &in_work,   &same_none};
    enum { ALL = sizeof(all) / sizeof(*all), PLACES = ALL - 2 };
    const struct profile_meta meta = {.no_addresses = true, .program = "app"};
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], ALL * ALL * ALL);
    Cprof__Profile *p;
    int64_t sum = 0;

    (void)state;
    for (unsigned i = 0; i < ALL * ALL * ALL; i++) {
        const struct symbol_location *const stack[] = {all[i % ALL], all[i / ALL % ALL], all[i / ALL / ALL]};
        add(profile, stack, 3, 1, "", 1, 1);
    }
    p = encode_and_decode(profile, &meta);
    assert_int_equal(p->n_sample, PLACES * PLACES * PLACES);
    assert_int_equal(p->n_location, PLACES);
    for (size_t i = 0; i < p->n_sample; i++)
        sum += p->sample[i]->value[0];
    assert_int_equal(sum, ALL * ALL * ALL);
    for (size_t i = 0; i < p->n_location; i++)
        assert_true(!p->location[i]->address == (p->location[i]->n_line > 0));
    for (size_t i = 0; i < p->n_function; i++)
        assert_int_equal(p->function[i]->system_name, 0);
    for (size_t i = 0; i < p->n_mapping; i++)
        assert_int_equal(p->mapping[i]->memory_limit == 0, p->mapping[i]->has_functions);
    assert_string_equal(text_at(p, p->mapping[0]->build_id), "dead01");
    cprof__profile__free_unpacked(p, NULL);
    profile_free(profile);
}

static void names_become_utf8(void **state)
{
    const struct profile_meta meta = {0};
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 10);
    Cprof__Profile *p;

    (void)state;
    add(profile, stack_bad, 2, 1, "", 1, 1);
    p = encode_and_decode(profile, &meta);
    for (size_t i = 0; i < p->n_string_table; i++)
        assert_true(utf8_is_valid(p->string_table[i]));
    assert_string_equal(text_at(p, p->function[0]->name), "</script>?\x01\"");
    assert_string_equal(text_at(p, p->function[0]->system_name), ""); /* or pprof takes the brackets out */
    cprof__profile__free_unpacked(p, NULL);
    profile_free(profile);
}

static void an_empty_profile_is_a_profile(void **state)
{
    const struct profile_meta meta = {.program = "app", .period = 1};
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_MEMORY], 10);
    Cprof__Profile *p = encode_and_decode(profile, &meta);

    (void)state;
    assert_int_equal(p->n_sample, 0);
    assert_int_equal(p->n_sample_type, 4);
    cprof__profile__free_unpacked(p, NULL);
    profile_free(profile);
}

struct pieces {
    unsigned count;
    size_t samples, largest;
    int64_t sum, last_time;
};

static int take_piece(void *context, uint8_t *data, size_t size)
{
    struct pieces *pieces = context;
    Cprof__Profile *p = decode(data, size);
    size_t plain;

    pieces->count++;
    pieces->samples += p->n_sample;
    plain = cprof__profile__get_packed_size(p);
    pieces->largest = plain > pieces->largest ? plain : pieces->largest;
    for (size_t i = 0; i < p->n_sample; i++) {
        pieces->sum += p->sample[i]->value[0];
        assert_in_range(p->sample[i]->n_location_id, 1, 3);
    }
    assert_true(p->time_nanos > pieces->last_time);
    pieces->last_time = p->time_nanos;
    cprof__profile__free_unpacked(p, NULL);
    free(data);
    return 0;
}

static void pieces_add_up_to_the_whole(void **state)
{
    enum { STACKS = 3000 };
    static struct symbol_location location[STACKS];
    static struct symbol_line line[STACKS];
    static char name[STACKS][32];
    const struct profile_meta meta = {.time_ns = 1};
    const struct encode_limits few = {1000, 3, SIZE_MAX, 10}, small = {SIZE_MAX, 3, 20000, 10};
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 2 * STACKS);
    struct pieces pieces = {0};

    (void)state;
    for (unsigned i = 0; i < STACKS; i++) {
        const struct symbol_location *const stack[] = {&location[i], &in_work, &in_work, &in_main};
        snprintf(name[i], sizeof(name[i]), "function_%u", i);
        line[i] = (struct symbol_line){name[i], name[i], "", 0, 0};
        location[i] = (struct symbol_location){&app, i, 10 + i, 1, &line[i]};
        add(profile, stack, 4, 1, "", 1, 1);
        add(profile, stack, 4, 2, thread_a, 1, 1);
    }
    assert_int_equal(profile_encode_pieces(profile, &meta, &few, take_piece, &pieces), 0);
    assert_int_equal(pieces.count, 3);
    assert_int_equal(pieces.samples, STACKS);
    assert_int_equal(pieces.sum, 2 * STACKS);
    pieces = (struct pieces){0};
    assert_int_equal(profile_encode_pieces(profile, &meta, &small, take_piece, &pieces), 0);
    assert_int_equal(pieces.sum, 2 * STACKS);
    assert_in_range(pieces.count, 5, 15);
    assert_in_range(pieces.largest, 19000, 21000);
    profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_samples_are_merged),
        cmocka_unit_test(many_stacks_keep_their_values),
        cmocka_unit_test(stacks_share_their_callers),
        cmocka_unit_test(values_are_cleared_by_process),
        cmocka_unit_test(stacks_past_the_ceiling_are_summed_up_by_process),
        cmocka_unit_test(sums_stop_at_the_ends_of_their_range),
        cmocka_unit_test(encoding_is_read_back_as_it_was),
        cmocka_unit_test(the_program_is_the_first_mapping),
        cmocka_unit_test(unnamed_locations_are_left_to_be_named),
        cmocka_unit_test(modules_without_symbols_have_their_share),
        cmocka_unit_test(without_labels_equal_stacks_are_one),
        cmocka_unit_test(without_addresses_equal_places_are_one),
        cmocka_unit_test(names_become_utf8),
        cmocka_unit_test(an_empty_profile_is_a_profile),
        cmocka_unit_test(pieces_add_up_to_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
