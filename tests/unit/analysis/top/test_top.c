/* SPDX-License-Identifier: Apache-2.0 */
/* cprof top: lines for a terminal, the sums of functions, threads and locks, what keys change, and whole screens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "analysis/top/keys.h"
#include "analysis/top/layout.h"
#include "analysis/top/terminal/terminal.h"
#include "uploader/pprof/encode.h"
#include "uploader/symbols/symbols.h"

/* ---- Lines ---- */

static const char *fit(const char *text, unsigned columns)
{
    static char out[128];
    return screen_fit(out, sizeof out, text, columns, false);
}

static void texts_are_cut_and_clean(void **state)
{
    char out[64];

    (void)state;
    assert_string_equal(fit("abc", 5), "abc  ");
    assert_string_equal(fit("abcdef", 5), "abcd~");
    assert_string_equal(fit("abcde", 5), "abcde");
    assert_string_equal(fit("", 0), "");
    assert_string_equal(fit("abc", 0), "");
    assert_string_equal(fit("a\033[31m\007\tb\x7f", 10), "a?[31m??b?");
    assert_string_equal(fit("\xc2\x9b"
                            "2J",
                            4),
                        "?2J "); /* a control character of 8 bits */
    assert_string_equal(fit("\xe2\x80\xae"
                            "evil",
                            6),
                        "?evil ");                  /* turns the writing direction */
    assert_string_equal(fit("\xff\xc3", 3), "?? "); /* no UTF-8 */
    assert_string_equal(fit("\xe6\xbc\xa2\xe5\xad\x97", 4),
                        "\xe6\xbc\xa2\xe5\xad\x97"); /* two columns each */
    assert_string_equal(fit("\xe6\xbc\xa2\xe5\xad\x97", 3), "\xe6\xbc\xa2~");
    assert_string_equal(fit("e\xcc\x81", 2), "e\xcc\x81 "); /* an accent takes no column */
    assert_string_equal(screen_fit(out, sizeof out, "\xc3\xa4x", 3, true), "?x ");
    assert_string_equal(screen_fit(out, 6, "abcdefghij", 10, false)[3] ? "full" : "", "full");
    assert_true(strlen(out) < 6);
}

static void a_screen_has_a_size(void **state)
{
    struct screen screen = {.has_styles = true};

    (void)state;
    screen_begin(&screen, 8, 2);
    screen_line(&screen, STYLE_HEAD, "%s", "head");
    screen_line(&screen, STYLE_PLAIN, "%s", "a long line\033[2J");
    screen_line(&screen, STYLE_PLAIN, "%s", "beyond");
    assert_string_equal(screen.text, "\033[7mhead    \033[0m\033[K\r\na long ~\033[K");
    screen.has_styles = false;
    screen_begin(&screen, 8, 0);
    screen_line(&screen, STYLE_HEAD, "%s", "head");
    screen_line(&screen, STYLE_WARN, "%s", "warn");
    assert_string_equal(screen.text, "head\nwarn");
    screen_free(&screen);
}

/* ---- A session out of texts and profiles ---- */

struct fixture {
    struct symbols *symbols;
    struct model model;
    struct top_look look;
    struct screen screen;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->symbols = symbols_new("", 1 << 20);
    model_forget(&f->model);
    f->look = (struct top_look){.program = -1, .interval_s = 2};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    model_free(&f->model);
    screen_free(&f->screen);
    symbols_free(f->symbols);
    free(f);
    return 0;
}

static const struct symbol_location *place(struct fixture *f, const char *name)
{
    return symbols_special(f->symbols, symbols_intern(f->symbols, name));
}

/* Adds a stack, "leaf caller". */
static void add(struct fixture *f, struct profile *profile, const char *leaf, const char *caller,
                int64_t first, int64_t second, const struct profile_thread *about)
{
    const struct symbol_location *stack[] = {place(f, leaf), place(f, caller)};
    struct profile_sample sample = {
        .pid = 7, .frames = 2, .thread = "worker", .frame = stack, .value = {first, second}};

    if (about)
        sample.about = *about;
    assert_int_equal(profile_add_thread(profile, &sample, stack[0]), 0);
}

static void put(struct frame *frame, const char *kind, bool is_whole, const struct profile *profile)
{
    const struct profile_meta meta = {.period = 1, .with_labels = true};
    char line[64], error[256], *message;
    uint8_t *data;
    size_t size;

    snprintf(line, sizeof line, "p0\t%s\t%s\t0\t0\t0", kind, is_whole ? "whole" : "interval");
    assert_int_equal(frame_take(frame, line, strlen(line), error), 0);
    assert_int_equal(profile_encode(profile, &meta, &data, &size), 0);
    message = malloc(size + 1);
    *message = 'd';
    memcpy(message + 1, data, size);
    assert_int_equal(frame_take(frame, message, size + 1, error), 0);
    free(message);
    free(data);
}

/* A frame of two seconds, number n, in which the program used 1.5 s of CPU time. */
static struct frame head(int n)
{
    char text[1024], error[256];
    struct frame frame = {0};

    snprintf(text, sizeof text,
             "1session\t@x\t9\t1.0\t0\ton\nframe\t%d\t%d\t%d\t1048576\t0\n"
             "program\t0\tapp\033[2J\tshop\t\t1\t%lld\t%d\t2097152\t4096\t3\t0\t\n"
             "program\t1\tother\tother\t\t0\t0\t0\t0\t0\t0\t0\t\n"
             "process\t7\t0\t3\t0\t0\t0\t0\tcpu=100\nloss\t0\t12\tsamples lost\n"
             "total\t0\tmemory\t100\t2048\t0\t0\n",
             2000 * n, 2000 * n + 2000, 20000000 * n, 1500000000LL * n, 15000000 * n);
    assert_int_equal(frame_take(&frame, text, strlen(text), error), 0);
    return frame;
}

static void show(struct fixture *f, struct frame *frame)
{
    char error[256];

    assert_int_equal(frame_take(frame, "=0", 2, error), 1);
    model_take(&f->model, frame);
}

static const char *draw(struct fixture *f, unsigned width, unsigned height)
{
    screen_begin(&f->screen, width, height);
    layout_draw(&f->screen, &f->model, &f->look);
    return f->screen.text;
}

static void has(struct fixture *f, const char *text)
{
    const char *drawn = draw(f, 140, 40);

    if (!strstr(drawn, text))
        fail_msg("\"%s\" is not on the screen:\n%s", text, drawn);
}

static void has_not(struct fixture *f, const char *text)
{
    const char *drawn = draw(f, 140, 40);

    if (strstr(drawn, text))
        fail_msg("\"%s\" is on the screen:\n%s", text, drawn);
}

/* The whole of 100 ms, and two intervals. */
static void show_cpu(struct fixture *f)
{
    struct profile *whole = profile_new(&profile_kinds[KIND_ID_CPU], 100),
                   *interval = profile_new(&profile_kinds[KIND_ID_CPU], 100);
    struct link_wanted wanted = {0};
    struct frame frame = head(0);

    add(f, whole, "old", "main", 10, 100000000, NULL);
    put(&frame, "cpu", true, whole);
    model_want(&f->model, 1, &wanted);
    assert_int_equal(wanted.whole, 1 << KIND_ID_CPU);
    show(f, &frame);
    add(f, interval, "hot", "main", 20, 200000000, NULL);
    add(f, interval, "main", "main", 5, 50000000, NULL);
    for (int n = 1; n < 3; n++) {
        frame = head(n);
        put(&frame, "cpu", false, interval);
        wanted = (struct link_wanted){0};
        model_want(&f->model, n * 2000000000LL, &wanted);
        assert_int_equal(wanted.whole, 0);
        show(f, &frame);
    }
    profile_free(whole);
    profile_free(interval);
}

static void functions_of_two_intervals(void **state)
{
    struct fixture *f = *state;

    show_cpu(f);
    has(f, "CPU time: 250 ms in the last 2.0 s, 600 ms since the start");
    has(f, "  200 ms  80.0 %     200 ms  80.0 %     400 ms  66.7 %     400 ms  66.7 % ");
    has(f, "  50.0 ms  20.0 %     250 ms 100.0 %     100 ms  16.7 %     600 ms 100.0 % "); /* main, once */
    has(f, "CPU      75.0 %   threads 3");
    has(f, "live 4.00 KiB in 3 blocks   allocates 1.00 KiB/s, 50 blocks/s");
    has(f, "costs 1 % of the program's CPU time   uploader 1.0 % of a CPU, 1.00 MiB   12 samples lost");
    has(f, "programs [all]  app?[2J 75 %  other ended");
    assert_true(strstr(draw(f, 140, 40), "hot") < strstr(draw(f, 140, 40), " old"));
    has_not(f, "\033");
}

static void keys_change_what_is_shown(void **state)
{
    struct fixture *f = *state;
    struct top_look *look = &f->look;

    show_cpu(f);
    assert_int_equal(keys_take(look, &f->model, 's', 24), KEYS_DRAW);
    assert_int_equal(keys_take(look, &f->model, 'c', 24), KEYS_DRAW);
    has(f, "(order: since the start, total)");
    assert_true(strstr(draw(f, 140, 40), " main") < strstr(draw(f, 140, 40), " hot"));
    for (const char *text = "/hOT"; *text; text++)
        keys_take(look, &f->model, *text, 24);
    has(f, "/hOT_");
    has(f, "with hOT");
    has_not(f, " old");
    keys_take(look, &f->model, KEY_DELETE, 24);
    keys_take(look, &f->model, '\r', 24);
    assert_string_equal(look->search, "hO");
    keys_take(look, &f->model, KEY_ESCAPE, 24);
    has(f, " old");
    assert_int_equal(keys_take(look, &f->model, 'p', 24), KEYS_DRAW);
    assert_int_equal(look->program, 0);
    has(f, "runs for");
    assert_int_equal(keys_take(look, &f->model, 'p', 24), KEYS_DRAW);
    has(f, "nothing so far");
    keys_take(look, &f->model, 'p', 24);
    assert_int_equal(look->program, -1);
    keys_take(look, &f->model, 'G', 24);
    assert_true(look->scroll > 0);
    draw(f, 140, 40);
    assert_int_equal(look->scroll, 0); /* all rows have room */
    keys_take(look, &f->model, ' ', 24);
    has(f, "PAUSED");
    keys_take(look, &f->model, 'h', 24);
    has(f, "the next or the previous type");
    keys_take(look, &f->model, 'x', 24);
    assert_false(look->shows_help);
    assert_int_equal(keys_take(look, &f->model, 't', 24), KEYS_ASK); /* another kind */
    assert_int_equal(f->model.view, VIEW_ALLOC);
    assert_true(f->model.is_new);
    assert_int_equal(keys_take(look, &f->model, 't', 24), KEYS_DRAW); /* another value of the same */
    assert_int_equal(keys_take(look, &f->model, 'q', 24), KEYS_QUIT);
    for (int key = 0; key < 600; key++) /* no key does harm */
        if (keys_take(look, &f->model, key, 1) == KEYS_DRAW)
            draw(f, 20, 5);
}

/* A process that the frame does not have: it ended within the interval. */
static void add_of_ended(struct fixture *f, struct profile *threads)
{
    const struct symbol_location *stack[] = {place(f, "main")};
    const struct profile_sample sample = {.pid = 8,
                                          .frames = 1,
                                          .thread = "gone",
                                          .frame = stack,
                                          .value = {1},
                                          .about = {.tid = 15, .state = "ending", .wait = ""}};

    assert_int_equal(profile_add_thread(threads, &sample, stack[0]), 0);
}

static void threads_and_locks(void **state)
{
    struct fixture *f = *state;
    struct profile *threads = profile_new(&profile_kinds[KIND_ID_THREADS], 100);
    struct frame frame = head(1);
    struct link_wanted wanted = {0};

    for (uint32_t tid = 11; tid < 14; tid++)
        add(f, threads, "pthread_mutex_lock", "wants_it", 1, 0,
            &(struct profile_thread){.tid = tid,
                                     .state = "lock",
                                     .wait = "pthread_mutex_lock",
                                     .holder = 14,
                                     .waited_ns = 5000000});
    add(f, threads, "computes", "main", 1, 0,
        &(struct profile_thread){.tid = 14, .state = "running", .wait = ""});
    add_of_ended(f, threads);
    put(&frame, "threads", false, threads);
    model_want(&f->model, 1, &wanted);
    assert_true(wanted.with_states);
    show(f, &frame);
    has(f, "3 lock, 1 running");
    has(f, "locks    3 wait in wants_it for worker 14, longest 5.00 ms");
    model_show(&f->model, VIEW_THREADS);
    has(f, "for 14  pthread_mutex_lock < wants_it");
    has(f, "Threads: 4");
    profile_free(threads);
}

/* The uploader is asked for states as seldom as they are dear. */
static void dear_states_are_asked_for_seldom(void **state)
{
    struct fixture *f = *state;
    struct link_wanted wanted = {0};
    struct frame frame = head(0);

    model_want(&f->model, 1000000000, &wanted);
    show(f, &frame);
    frame = head(1);
    assert_int_equal(frame_take(&frame, "1frame\t0\t2000\t0\t0\t50000000\n", 28, (char[256]){0}),
                     0); /* 50 ms */
    model_want(&f->model, 3000000000, &wanted);
    show(f, &frame);
    wanted = (struct link_wanted){0};
    model_want(&f->model, 4000000000, &wanted);
    assert_false(wanted.with_states);
    wanted = (struct link_wanted){0};
    model_want(&f->model, 9000000000, &wanted);
    assert_true(wanted.with_states);
    f->model.plain_cost_ns = 50000000;
    assert_int_equal(model_interval(&f->model, 2000000000), 5000000000);
}

static void types(void **state)
{
    (void)state;
    assert_int_equal(view_find("off_cpu"), VIEW_OFF_CPU);
    assert_int_equal(view_find("memory"), VIEW_ALLOC);
    assert_int_equal(view_find("inuse_space"), VIEW_LIVE);
    assert_int_equal(view_find("frob"), -1);
    assert_true(view_is_state(VIEW_LIVE));
    assert_false(view_is_state(VIEW_ALLOC));
    assert_string_equal(view_unit(VIEW_MUTEX), "nanoseconds");
}

static void damaged_profiles_are_counted(void **state)
{
    struct fixture *f = *state;
    struct frame frame = head(0);
    char error[256];

    frame_take(&frame, "p0\tcpu\twhole\t0\t0\t0", 19, error);
    frame_take(&frame, "dnonsense", 9, error);
    show(f, &frame);
    assert_int_equal(f->model.wrong, 1);
    has(f, "1 profiles could not be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_and_clean),
        cmocka_unit_test(a_screen_has_a_size),
        cmocka_unit_test(types),
        cmocka_unit_test_setup_teardown(functions_of_two_intervals, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_change_what_is_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_and_locks, setup, teardown),
        cmocka_unit_test_setup_teardown(dear_states_are_asked_for_seldom, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_profiles_are_counted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
