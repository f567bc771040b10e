/* SPDX-License-Identifier: Apache-2.0 */
/* What is served of profiles: spans, states, selections, and the texts that google/pprof reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "uploader/pull/collect.h"
#include "uploader/pull/selection.h"
#include "uploader/pull/symbol.h"
#include "uploader/pull/text.h"

struct fixture {
    struct symbols *symbols;
    struct programs programs;
    struct program *app, *other;
    struct deltas deltas;
    const struct symbol_location *here, *there;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->symbols = symbols_new("", 1 << 20);
    programs_init(&f->programs, f->symbols);
    f->app = programs_get(&f->programs, "app", "shop", "");
    f->other = programs_get(&f->programs, "other", "", "");
    f->deltas.programs = &f->programs;
    f->here = symbols_special(f->symbols, "here");
    f->there = symbols_special(f->symbols, "there");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_null(f->programs.taps);
    assert_int_equal(f->deltas.samples, 0);
    programs_free(&f->programs);
    symbols_free(f->symbols);
    free(f);
    return 0;
}

static void add(struct program *program, enum profile_kind_id kind, uint32_t pid,
                const struct symbol_location *const *frame, int64_t first, int64_t second)
{
    struct profile_sample sample = {
        .pid = pid, .frames = 1, .thread = "", .frame = frame, .value = {first, second}};
    assert_int_equal(program_add(program, PROGRAM_INTERVAL | PROGRAM_MERGED, kind, &sample), 0);
}

static void add_memory(struct fixture *f, uint32_t pid, int64_t allocated, int64_t in_use)
{
    struct profile_sample sample = {
        .pid = pid, .frames = 1, .thread = "", .frame = &f->here, .value = {1, allocated, 1, in_use}};
    assert_int_equal(program_add(f->app, PROGRAM_INTERVAL | PROGRAM_MERGED, KIND_ID_MEMORY, &sample), 0);
}

static int64_t total_and_free(struct delta *delta, unsigned value)
{
    struct collected collected;
    int64_t total;

    assert_true(delta_end(delta, &collected));
    total = profile_total(collected.profile, value);
    collected_free(&collected);
    delta_free(delta);
    return total;
}

static void spans_overlap(void **state)
{
    struct fixture *f = *state;
    const struct selection all = {.pid = 0}, first = {.pid = 1}, app = {.program = "shop"};
    struct delta *long_one, *short_one, *of_pid, *of_app;

    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 1000);
    long_one = delta_begin(&f->deltas, &all, KIND_ID_CPU);
    of_pid = delta_begin(&f->deltas, &first, KIND_ID_CPU);
    of_app = delta_begin(&f->deltas, &app, KIND_ID_CPU);
    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 10);
    add(f->app, KIND_ID_CPU, 2, &f->here, 1, 20);
    short_one = delta_begin(&f->deltas, &all, KIND_ID_CPU);
    add(f->other, KIND_ID_CPU, 3, &f->there, 1, 40);
    add(f->app, KIND_ID_MUTEX, 1, &f->there, 1, 80);
    assert_int_equal(total_and_free(short_one, 1), 40);
    add(f->app, KIND_ID_CPU, 1, &f->there, 1, 160);
    assert_int_equal(total_and_free(long_one, 1), 10 + 20 + 40 + 160);
    assert_int_equal(total_and_free(of_pid, 1), 10 + 160);
    assert_int_equal(total_and_free(of_app, 1), 10 + 20 + 160);
}

/* In use: what there is at the end less what there was; a process that has ended is told apart no longer. */
static void states_are_differences(void **state)
{
    struct fixture *f = *state;
    const struct selection all = {.pid = 0};
    struct delta *delta, *same;

    add_memory(f, 1, 100, 100);
    add_memory(f, 2, 50, 50);
    delta = delta_begin(&f->deltas, &all, KIND_ID_MEMORY);
    program_clear_state(f->app, 1);
    add_memory(f, 1, 30, 80);
    assert_int_equal(total_and_free(delta, 3), -20);
    same = delta_begin(&f->deltas, &all, KIND_ID_MEMORY);
    f->programs.fold_at = 0;
    programs_fold_if_large(&f->programs);
    assert_int_equal(total_and_free(same, 3), 0);
    delta = delta_begin(&f->deltas, &all, KIND_ID_MEMORY);
    add_memory(f, 1, 7, 0);
    assert_int_equal(total_and_free(delta, 1), 7);
}

static void so_far_of_all_or_one(void **state)
{
    struct fixture *f = *state;
    const struct selection all = {.pid = 0}, one = {.program = "other"}, process = {.pid = 2},
                           none = {.program = "x"};
    struct collected collected;

    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 10);
    add(f->app, KIND_ID_CPU, 2, &f->here, 1, 20);
    add(f->other, KIND_ID_CPU, 3, &f->here, 1, 40);
    assert_true(collect_now(&f->programs, &all, KIND_ID_CPU, &collected));
    assert_int_equal(profile_total(collected.profile, 1), 70);
    assert_null(collected.program);
    collected_free(&collected);
    assert_true(collect_now(&f->programs, &one, KIND_ID_CPU, &collected));
    assert_ptr_equal(collected.profile, f->other->merged[KIND_ID_CPU]);
    collected_free(&collected);
    assert_true(collect_now(&f->programs, &process, KIND_ID_CPU, &collected));
    assert_int_equal(profile_total(collected.profile, 1), 20);
    collected_free(&collected);
    assert_true(collect_now(&f->programs, &none, KIND_ID_CPU, &collected));
    assert_int_equal(profile_count(collected.profile), 0);
    collected_free(&collected);
}

static void spans_have_a_ceiling(void **state)
{
    struct fixture *f = *state;
    const struct selection all = {.pid = 0};
    struct delta *delta = delta_begin(&f->deltas, &all, KIND_ID_CPU);

    f->deltas.samples += 1000000;
    assert_null(delta_begin(&f->deltas, &all, KIND_ID_CPU));
    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 10);
    add(f->app, KIND_ID_CPU, 1, &f->there, 1, 10);
    f->deltas.samples -= 1000000;
    assert_int_equal(total_and_free(delta, 1), 20); /* nothing is lost, but the stacks */
}

static char *text_of(const struct profile *profile, const char *name)
{
    static char text[4096];
    FILE *out = fmemopen(text, sizeof text, "w");

    assert_int_equal(text_write(out, profile, name), 0);
    fclose(out);
    return text;
}

static void texts(void **state)
{
    struct fixture *f = *state;

    add_memory(f, 1, 100, 100);
    add_memory(f, 2, 50, 50);
    assert_string_equal(
        text_of(f->app->merged[KIND_ID_MEMORY], "heap"),
        "heap profile: 2: 150 [2: 151] @ heapprofile\n2: 150 [2: 150] @ 0x1\n#\t0x0\there\n\n");
    add(f->app, KIND_ID_MUTEX, 1, &f->here, 2, 500);
    add(f->app, KIND_ID_MUTEX, 1, &f->there, 9, 900);
    assert_string_equal(
        text_of(f->app->merged[KIND_ID_MUTEX], "mutex"),
        "--- mutex:\ncycles/second=1000000000\nsampling period=1\n900 9 @ 0x1\n#\t0x0\tthere\n\n"
        "500 2 @ 0x1\n#\t0x0\there\n\n");
    add(f->app, KIND_ID_THREADCREATE, 1, &f->here, 3, 0);
    assert_string_equal(text_of(f->app->merged[KIND_ID_THREADCREATE], "threadcreate"),
                        "threadcreate profile: total 3\n3 @ 0x1\n#\t0x0\there\n\n");
}

static void addresses_of_symbol(void **state)
{
    uint64_t address[SYMBOL_ADDRESSES];
    char *many = malloc(5 * SYMBOL_ADDRESSES);

    (void)state;
    assert_int_equal(symbol_parse("0x1+0xff+17", address), 3);
    assert_int_equal(address[1], 0xff);
    assert_int_equal(address[2], 17);
    assert_int_equal(symbol_parse("", address), 0);
    assert_int_equal(symbol_parse("+0x1", address), 0);
    assert_int_equal(symbol_parse("-1", address), 0);
    assert_int_equal(symbol_parse("0x1,0x2", address), 1);
    assert_int_equal(symbol_parse("0x1+", address), 1);
    for (int i = 0; i < SYMBOL_ADDRESSES; i++)
        memcpy(many + 4 * i, "0x1+", 5);
    memcpy(many + 4 * SYMBOL_ADDRESSES, "0x1", 4);
    assert_int_equal(symbol_parse(many, address), SYMBOL_ADDRESSES);
    free(many);
}

static void numbers(void **state)
{
    static const char *const wrong[] = {"",  "-1", "+1", " 1", "1 ", "1e3", "0x1", "9999999999999999999",
                                        "11"};
    uint64_t number;

    (void)state;
    assert_true(selection_number("10", 10, &number));
    assert_int_equal(number, 10);
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (selection_number(wrong[i], 10, &number))
            fail_msg("%s", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spans_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(states_are_differences, setup, teardown),
        cmocka_unit_test_setup_teardown(so_far_of_all_or_one, setup, teardown),
        cmocka_unit_test_setup_teardown(spans_have_a_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(texts, setup, teardown),
        cmocka_unit_test(addresses_of_symbol),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
