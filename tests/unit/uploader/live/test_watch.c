/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: what is new from frame to frame, states, totals of all kinds, selections, ceilings; and a page's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <ftw.h>
#include <sys/stat.h>

#include "analysis/read/read.h"
#include "uploader/base/clock.h"
#include "uploader/live/answer.h"
#include "uploader/live/watch.h"
#include "uploader/sinks/files/intervals.h"

struct fixture {
    struct symbols *symbols;
    struct programs programs;
    struct program *app, *other;
    struct watches watches;
    struct watch *watch;
    const struct symbol_location *here, *there;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->symbols = symbols_new("", 1 << 20);
    programs_init(&f->programs, f->symbols);
    f->app = programs_get(&f->programs, "app", "shop", "");
    f->other = programs_get(&f->programs, "other", "", "");
    f->watches.programs = &f->programs;
    f->here = symbols_special(f->symbols, "here");
    f->there = symbols_special(f->symbols, "there");
    f->watch = watch_open(&f->watches);
    *state = f;
    return !f->watch;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    watch_close(f->watch);
    assert_null(f->programs.taps);
    assert_int_equal(f->watches.samples, 0);
    assert_int_equal(f->watches.count, 0);
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

/* The next part, which must be of that program and kind: its total of this value. */
static int64_t part_total(struct fixture *f, const struct program *program, enum profile_kind_id kind,
                          bool is_whole, unsigned value)
{
    struct watch_part part;
    struct reading reading;
    int64_t total;

    assert_true(watch_next(f->watch, &part));
    assert_ptr_equal(part.program, program);
    assert_int_equal(part.kind, kind);
    assert_int_equal(part.is_whole, is_whole);
    reading_init(&reading);
    assert_int_equal(reading_add_bytes(&reading, "part", part.data, part.size), 0);
    total = read_profile_total(reading.profile[0], value);
    reading_free(&reading);
    free(part.data);
    return total;
}

static void no_part(struct fixture *f)
{
    struct watch_part part;

    assert_false(watch_next(f->watch, &part));
}

static void what_is_new(void **state)
{
    struct fixture *f = *state;
    const struct watch_wanted cpu = {.kinds = 1 << KIND_ID_CPU},
                              whole = {.kinds = 1 << KIND_ID_CPU, .whole = 1 << KIND_ID_CPU};

    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 1000);
    watch_turn(f->watch, &cpu);
    no_part(f); /* it was not asked for before */
    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 10);
    add(f->other, KIND_ID_CPU, 2, &f->there, 1, 20);
    add(f->app, KIND_ID_MUTEX, 1, &f->here, 1, 40);
    watch_turn(f->watch, &whole);
    assert_int_equal(part_total(f, f->app, KIND_ID_CPU, true, 1), 1010);
    assert_int_equal(part_total(f, f->other, KIND_ID_CPU, true, 1), 20);
    assert_int_equal(part_total(f, f->app, KIND_ID_CPU, false, 1), 10);
    assert_int_equal(part_total(f, f->other, KIND_ID_CPU, false, 1), 20);
    no_part(f);
    watch_turn(f->watch, &cpu);
    no_part(f);
}

static void put_totals(struct fixture *f, char text[256])
{
    FILE *out = fmemopen(text, 256, "w");

    memset(text, 0, 256);
    watch_put_totals(f->watch, out);
    fclose(out);
}

/* Also of kinds of which no profile is asked for. */
static void totals(void **state)
{
    struct fixture *f = *state;
    const struct watch_wanted none = {.kinds = 0};
    char text[256] = "";

    watch_turn(f->watch, &none);
    add(f->other, KIND_ID_CPU, 1, &f->here, 2, 20);
    add(f->other, KIND_ID_CPU, 1, &f->there, 3, 30);
    add(f->app, KIND_ID_BLOCK, 1, &f->there, 1, 5);
    watch_turn(f->watch, &none);
    put_totals(f, text);
    assert_string_equal(text, "total\t0\tblock\t1\t5\ntotal\t1\tcpu\t5\t50\n");
    watch_turn(f->watch, &none);
    put_totals(f, text);
    assert_string_equal(text, "");
    no_part(f);
}

/* Blocks in use are as they are, and not how they came about. */
static void states(void **state)
{
    struct fixture *f = *state;
    const struct watch_wanted sums = {.kinds = 1 << KIND_ID_MEMORY},
                              with = {.kinds = 1 << KIND_ID_MEMORY, .with_states = true};
    struct profile_sample sample = {
        .pid = 1, .frames = 1, .thread = "", .frame = &f->here, .value = {1, 100, 1, 70}};

    watch_turn(f->watch, &sums);
    assert_int_equal(program_add(f->app, PROGRAM_INTERVAL | PROGRAM_MERGED, KIND_ID_MEMORY, &sample), 0);
    watch_turn(f->watch, &sums);
    assert_int_equal(part_total(f, f->app, KIND_ID_MEMORY, false, 3), 0);
    watch_turn(f->watch, &with);
    assert_int_equal(part_total(f, f->app, KIND_ID_MEMORY, false, 3), 70);
    watch_turn(f->watch, &with);
    assert_int_equal(part_total(f, f->app, KIND_ID_MEMORY, false, 1), 0);
}

static void another_selection_begins_anew(void **state)
{
    struct fixture *f = *state;
    const struct watch_wanted all = {.kinds = 1 << KIND_ID_CPU},
                              one = {.kinds = 1 << KIND_ID_CPU, .selection = {.program = "shop", .pid = 0}},
                              process = {.kinds = 1 << KIND_ID_CPU, .selection = {.pid = 2}};

    watch_turn(f->watch, &all);
    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 10);
    watch_turn(f->watch, &one);
    no_part(f);
    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 20);
    add(f->other, KIND_ID_CPU, 2, &f->here, 1, 40);
    watch_turn(f->watch, &one);
    assert_int_equal(part_total(f, f->app, KIND_ID_CPU, false, 1), 20);
    no_part(f);
    watch_turn(f->watch, &process);
    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 80);
    add(f->app, KIND_ID_CPU, 2, &f->here, 1, 160);
    watch_turn(f->watch, &process);
    assert_int_equal(part_total(f, f->app, KIND_ID_CPU, false, 1), 160);
    no_part(f);
}

/* A program that comes while parts are fetched is in the next frame. */
static void a_new_program(void **state)
{
    struct fixture *f = *state;
    const struct watch_wanted cpu = {.kinds = 1 << KIND_ID_CPU};
    struct program *late;

    watch_turn(f->watch, &cpu);
    add(f->other, KIND_ID_CPU, 1, &f->here, 1, 10);
    watch_turn(f->watch, &cpu);
    late = programs_get(&f->programs, "late", "", "");
    add(late, KIND_ID_CPU, 3, &f->there, 1, 7);
    assert_int_equal(part_total(f, f->other, KIND_ID_CPU, false, 1), 10);
    no_part(f);
    watch_turn(f->watch, &cpu);
    assert_int_equal(part_total(f, late, KIND_ID_CPU, false, 1), 7);
    no_part(f);
}

static void too_many(void **state)
{
    struct fixture *f = *state;
    struct watch *watch[WATCHES_MOST];

    for (int i = 1; i < WATCHES_MOST; i++)
        assert_non_null(watch[i] = watch_open(&f->watches));
    assert_null(watch_open(&f->watches));
    for (int i = 1; i < WATCHES_MOST; i++)
        watch_close(watch[i]);
}

/* Beyond the ceiling stacks are not told apart, and nothing is lost. */
static void a_ceiling(void **state)
{
    struct fixture *f = *state;
    const struct watch_wanted cpu = {.kinds = 1 << KIND_ID_CPU};
    size_t before;

    watch_turn(f->watch, &cpu);
    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 1);
    before = f->watches.samples;
    f->watches.samples = WATCHES_SAMPLES;
    for (int i = 0; i < 98; i++) {
        const struct symbol_location *place;
        char name[32];
        snprintf(name, sizeof name, "place %d", i);
        place = symbols_special(f->symbols, symbols_intern(f->symbols, name));
        add(f->app, KIND_ID_CPU, 1, &place, 1, 1);
    }
    f->watches.samples -= WATCHES_SAMPLES - before;
    assert_true(f->watches.samples <= 3);
    watch_turn(f->watch, &cpu);
    assert_int_equal(part_total(f, f->app, KIND_ID_CPU, false, 1), 99);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

/* Where `name` of the program's intervals is. */
static const char *interval_path(const struct program *program, const char *name)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/intervals/%s", program->path, name);
    return path;
}

static void put_interval(const struct program *program, int64_t stamp_ms, unsigned kind, size_t size)
{
    char name[INTERVAL_NAME_BYTES];
    FILE *file;

    intervals_name(stamp_ms, kind, name);
    file = fopen(interval_path(program, name), "w");
    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        putc('x', file);
    fclose(file);
}

/* The next part is a file of that time and size, the newest first. */
static void past_part(struct fixture *f, int64_t stamp_ms, enum profile_kind_id kind, size_t size)
{
    struct watch_part part;

    assert_true(watch_next(f->watch, &part));
    assert_int_equal(part.start_ns, stamp_ms * MS_NS);
    assert_int_equal(part.end_ns, 0);
    assert_int_equal(part.kind, kind);
    assert_int_equal(part.size, size);
    assert_false(part.is_whole);
    free(part.data);
}

/* Files of this session, whole intervals up to a size, and the interval that is not over. */
static void the_past(void **state)
{
    struct fixture *f = *state;
    const struct watch_wanted past = {.past = true};
    const int64_t now_ms = clock_ns(CLOCK_REALTIME) / MS_NS;
    char directory[] = "/tmp/cprof-test-XXXXXX";

    assert_non_null(mkdtemp(directory));
    f->app->path = strdup(directory);
    f->app->start_ns = f->app->interval_start_ns = monotonic_ns();
    assert_int_equal(mkdir(interval_path(f->app, ""), 0700), 0);
    put_interval(f->app, now_ms - 10000, KIND_ID_CPU, 10); /* of an earlier session */
    put_interval(f->app, now_ms + 1000, KIND_ID_CPU, 11);
    put_interval(f->app, now_ms + 2000, KIND_ID_CPU, 12);
    put_interval(f->app, now_ms + 2000, KIND_ID_MEMORY, WATCH_PAST_BYTES / 2 - 40);
    put_interval(f->app, now_ms + 3000, KIND_ID_CPU, 13);
    fclose(fopen(interval_path(f->app, "notes"), "w"));
    add(f->app, KIND_ID_CPU, 1, &f->here, 1, 7);
    watch_turn(f->watch, &past);
    assert_int_equal(part_total(f, f->app, KIND_ID_CPU, false, 1), 7);
    past_part(f, now_ms + 3000, KIND_ID_CPU, 13);
    for (int i = 0; i < 2; i++) {
        struct watch_part part;
        assert_true(watch_next(f->watch, &part));
        assert_int_equal(part.start_ns, (now_ms + 2000) * MS_NS);
        free(part.data);
    }
    past_part(f, now_ms + 1000, KIND_ID_CPU, 11);
    no_part(f);
    put_interval(f->app, now_ms + 2000, KIND_ID_CPU, 100); /* no longer all of it has room */
    watch_turn(f->watch, &past);
    assert_int_equal(part_total(f, f->app, KIND_ID_CPU, false, 1), 7);
    past_part(f, now_ms + 3000, KIND_ID_CPU, 13);
    no_part(f);
    watch_turn(f->watch, &(struct watch_wanted){.past = true, .selection = {.pid = 1}});
    assert_int_equal(part_total(f, f->app, KIND_ID_CPU, false, 1), 7);
    no_part(f);
    assert_int_equal(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void an_answer(void **state)
{
    char text[512] = "";
    FILE *out = fmemopen(text, sizeof text, "w");

    (void)state;
    answer_begin(out, "@x\"", 1, 2, false);
    answer_file(out, true,
                &(struct answer_file){.program = "a</script>",
                                      .service = "s",
                                      .kind = "cpu",
                                      .is_whole = true,
                                      .start_ms = 3,
                                      .end_ms = 4,
                                      .data = (const uint8_t *)"\0\1\377x",
                                      .size = 4});
    answer_end(out, true);
    fclose(out);
    assert_non_null(strstr(text, "\"part\":\"whole\",\"start\":3,\"end\":4,\"name\":\"cpu.pb.gz\",\"data\":"
                                 "\"AAH/eA==\"}],\"more\":true}"));
    assert_null(strstr(text, "</script>"));
    assert_true(answer_is_tab("aZ09"));
    assert_false(answer_is_tab(""));
    assert_false(answer_is_tab("a b"));
    assert_false(answer_is_tab("123456789012345678901234567890123"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_new, setup, teardown),
        cmocka_unit_test_setup_teardown(totals, setup, teardown),
        cmocka_unit_test_setup_teardown(states, setup, teardown),
        cmocka_unit_test_setup_teardown(another_selection_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_program, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(a_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(the_past, setup, teardown),
        cmocka_unit_test(an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
