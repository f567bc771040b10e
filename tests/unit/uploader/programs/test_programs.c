/* SPDX-License-Identifier: Apache-2.0 */
/* What a session keeps of its programs has ceilings, and what goes over one is counted and said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/upload/comments.h"
#include "uploader/upload/upload.h"

struct fixture {
    struct symbols *symbols;
    struct programs programs;
    struct stack *stack; /* of one frame */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->symbols = symbols_new("", 1 << 20);
    programs_init(&f->programs, f->symbols);
    f->stack = calloc(1, sizeof *f->stack + sizeof f->stack->frame[0]);
    f->stack->frames = 1;
    f->stack->frame[0] = symbols_special(f->symbols, "[test]");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    programs_free(&f->programs);
    symbols_free(f->symbols);
    free(f->stack);
    free(f);
    return 0;
}

static void keep_line(uint64_t n, const char *text, void *context)
{
    char *lines = context;
    snprintf(lines + strlen(lines), 1000 - strlen(lines), "%llu %s\n", (unsigned long long)n, text);
}

static void test_programs(void **state)
{
    struct fixture *f = *state;
    struct program *first[PROGRAMS_MOST], *other;
    char name[32], lines[1000] = "";

    for (int i = 0; i < PROGRAMS_MOST; i++) {
        snprintf(name, sizeof name, "program-%d", i);
        first[i] = programs_get(&f->programs, name, i % 2 ? "service" : "", "");
        assert_string_equal(first[i]->name, name);
    }
    other = programs_get(&f->programs, "one more", "", "");
    assert_string_equal(other->name, "[other programs]");
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "later-%d", i);
        assert_ptr_equal(programs_get(&f->programs, name, "", ""), other);
    }
    assert_ptr_equal(programs_get(&f->programs, "[other programs]", "", ""), other);
    assert_int_equal(f->programs.count, PROGRAMS_MOST + 1);
    assert_ptr_equal(programs_get(&f->programs, "program-7", "service", ""), first[7]);
    programs_each_ceiling(&f->programs, keep_line, lines);
    assert_string_equal(lines, "");
    assert_int_equal(program_enter(other, 1, monotonic_ns()), 0);
    programs_each_ceiling(&f->programs, keep_line, lines);
    assert_non_null(strstr(lines, "1 processes in \"[other programs]\""));
    program_leave(other, 1, monotonic_ns());
}

/* By all bytes of all three, which are not always text. */
static void test_identity(void **state)
{
    static const char *const ids[][3] = {
        {"a", "", ""},     {"a", "b", ""},           {"a", "b", "c"},   {"a", "b,c", ""},
        {"a\xff", "", ""}, {"a?", "", ""},           {"a\xfe", "", ""}, {"a\nservice b", "", ""},
        {"", "", ""},      {"a", "b\nlabels c", ""},
    };
    enum { IDS = sizeof ids / sizeof *ids };
    struct fixture *f = *state;

    for (int i = 0; i < IDS; i++)
        assert_int_equal(programs_get(&f->programs, ids[i][0], ids[i][1], ids[i][2])->number, i);
    for (int i = 0; i < IDS; i++)
        assert_int_equal(programs_get(&f->programs, ids[i][0], ids[i][1], ids[i][2])->number, i);
    assert_ptr_equal(programs_get(&f->programs, "a", "a", ""), programs_get(&f->programs, "a", "", ""));
}

static void test_thread_names(void **state)
{
    struct fixture *f = *state;
    char name[32], lines[1000] = "";

    for (int i = 0; i < PROGRAMS_THREAD_NAMES + 10; i++) {
        snprintf(name, sizeof name, "worker-%d", i);
        assert_string_equal(programs_thread_name(&f->programs, name),
                            i < PROGRAMS_THREAD_NAMES ? name : "[other threads]");
    }
    assert_string_equal(programs_thread_name(&f->programs, "worker-3"), "worker-3");
    assert_ptr_equal(programs_thread_name(&f->programs, "x"), programs_thread_name(&f->programs, "y"));
    programs_each_ceiling(&f->programs, keep_line, lines);
    assert_non_null(strstr(lines, "12 threads in \"[other threads]\""));
}

static void add(struct program *program, enum profile_kind_id kind, const struct stack *stack, int pid,
                int64_t n, int64_t m)
{
    struct profile_sample sample = program_sample(stack, pid, "");

    sample.value[0] = n;
    sample.value[1] = m;
    program_add(program, PROGRAM_MERGED, kind, &sample);
}

/* Each process adds a sample of its own: sums stay, samples do not grow beyond the budget. */
static void test_samples(void **state)
{
    struct fixture *f = *state;
    struct program *program = programs_get(&f->programs, "program", "", "");
    int64_t processes = 3 * (int64_t)PROGRAMS_FOLD_SAMPLES;

    for (int pid = 1; pid <= processes; pid++) {
        add(program, KIND_ID_CPU, f->stack, pid, 1, 10);
        if (pid % 1000 == 0) {
            programs_upload_all(&f->programs);
            assert_in_range(f->programs.samples, 1, PROGRAMS_FOLD_SAMPLES + 1000);
        }
    }
    assert_int_equal(profile_total(program->merged[KIND_ID_CPU], 1), 10 * processes);
}

/* All profiles together: what is known is still told apart, and nothing is lost. */
static void test_budget(void **state)
{
    struct fixture *f = *state;
    enum { PROGRAMS = 10, STACKS = 2 * PROGRAMS_SAMPLES / PROGRAMS };
    int64_t total = 0;

    for (int p = 0; p < PROGRAMS; p++) {
        struct program *program;
        char name[16];
        snprintf(name, sizeof name, "p%d", p);
        program = programs_get(&f->programs, name, "", "");
        for (int i = 1; i <= STACKS; i++)
            add(program, KIND_ID_CPU + i % 2, f->stack, i, 1, 0);
        for (int k = 0; k < 2; k++)
            total += profile_total(program->merged[KIND_ID_CPU + k], 0);
    }
    assert_int_equal(total, PROGRAMS * STACKS);
    assert_in_range(f->programs.samples, PROGRAMS_SAMPLES, PROGRAMS_SAMPLES + PROGRAMS * 2 * 300);
    add(f->programs.program[0], KIND_ID_CPU, f->stack, 2, 5, 0);
    assert_in_range(f->programs.samples, PROGRAMS_SAMPLES, PROGRAMS_SAMPLES + PROGRAMS * 2 * 300);
}

/* Entries of processes go with them; what they are named is not known again. */
static void test_processes(void **state)
{
    struct fixture *f = *state;

    for (int pid = 1; pid < 20000; pid++) {
        const struct process_files source = {-1, -1, pid};
        assert_non_null(symbols_locate(f->symbols, &source, NULL, 0x1000));
        symbols_process_ended(f->symbols, &source);
        symbols_process_ended(f->symbols, &source); /* twice: nothing is there any more */
    }
}

static void test_modules(void **state)
{
    struct fixture *f = *state;
    const struct elf_module *module = NULL, *seventh = NULL;
    char path[32];

    for (int i = 1; i < 20000; i++) {
        snprintf(path, sizeof path, "/tmp/%d.so", i);
        module = symbols_module(f->symbols, path, NULL, 0);
        assert_non_null(module);
        seventh = i == 7 ? module : seventh;
    }
    assert_string_equal(module->name, "[other modules]");
    assert_ptr_equal(symbols_module(f->symbols, "/tmp/7.so", NULL, 0), seventh);
    assert_in_range(symbols_beyond(f->symbols), 1000, 20000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_programs), TEST(test_identity),  TEST(test_thread_names), TEST(test_samples),
        TEST(test_budget),   TEST(test_processes), TEST(test_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
