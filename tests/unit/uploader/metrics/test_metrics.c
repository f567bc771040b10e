/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics shows: every metric once, no series twice, counters that never go back, labels of any text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/metrics/counter_labels.h"
#include "uploader/metrics/metrics.h"
#include "uploader/metrics/table.h"
#include "uploader/target/cpu_time.h"
#include "uploader/upload/sink.h"

static struct programs programs;
static struct durations rounds;
static const struct web_counts web = {.requests = 9, .limited = 2};
static struct metrics_session session;

static int setup(void **state)
{
    (void)state;
    programs_init(&programs, symbols_new("", 1 << 20));
    rounds = (struct durations){0};
    session =
        (struct metrics_session){.processes = 2, .joined = 5, .refused = 1, .round = &rounds, .web = &web};
    return 0;
}

static int teardown(void **state)
{
    struct symbols *symbols = programs.symbols;

    (void)state;
    programs_free(&programs);
    symbols_free(symbols);
    return 0;
}

static char *render(struct target *target)
{
    struct metrics *metrics = metrics_new(&programs);
    size_t size;
    char *text;

    if (target)
        metrics_add_target(metrics, target);
    text = metrics_render(metrics, &session, &size);
    assert_int_equal(strlen(text), size);
    metrics_free(metrics);
    return text;
}

static void assert_line(const char *text, const char *line)
{
    const size_t length = strlen(line);

    for (const char *at = text; (at = strstr(at, line)); at++)
        if ((at == text || at[-1] == '\n') && at[length] == '\n')
            return;
    fail_msg("no line: %s\n%s", line, text);
}

static struct program *program_of(const char *name, const char *service, const char *labels)
{
    return programs_get(&programs, name, service, labels);
}

/* By what comes before the value. Also, each line ends, and has a value. */
static void test_format(void **state)
{
    static struct text_ids seen;
    char *text, *line, *next;
    unsigned types[METRIC_COUNT] = {0};

    (void)state;
    for (int i = 0; i < 5; i++)
        program_enter(program_of("server", i % 2 ? "shop" : "", i == 4 ? "zone=a" : ""), 10 + i, 1);
    text = render(NULL);
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (line = text; *line; line = next) {
        char *end = strchr(line, '\n'), *value;
        bool added;
        next = end + 1;
        *end = 0;
        for (int m = 0; m < METRIC_COUNT && !strncmp(line, "# TYPE ", 7); m++)
            types[m] += !strncmp(line + 7, metric_rows[m].name, strlen(metric_rows[m].name)) &&
                        line[7 + strlen(metric_rows[m].name)] == ' ';
        if (*line == '#')
            continue;
        value = strrchr(line, ' ');
        assert_non_null(value);
        *value = 0;
        text_ids_get(&seen, line, &added);
        if (!added)
            fail_msg("twice: %s", line);
    }
    for (int m = 0; m < METRIC_COUNT; m++)
        if (types[m] != 1)
            fail_msg("%s: %u times", metric_rows[m].name, types[m]);
    text_ids_free(&seen);
    free(text);
}

/* Programs that differ in labels alone are one; a program whose processes have ended keeps its counts. */
static void test_sums(void **state)
{
    struct program *one = program_of("server", "shop", "zone=a"),
                   *two = program_of("server", "shop", "zone=b");
    char *text;

    (void)state;
    program_enter(one, 1, 1);
    program_enter(two, 2, 1);
    program_count(one, COUNT_CPU_SAMPLES, 40);
    program_count(two, COUNT_CPU_SAMPLES, 2);
    program_count(two, COUNT_LOST_STACK_TABLE, 7);
    program_count(two, COUNT_LOST_TIMER, 8);
    program_count(two, COUNT_STACKS_DEEP, 9);
    program_count(two, COUNT_THREADS, 10);
    program_count_malformed(one);
    program_count_cpu(one, 1500000000);
    program_count_cpu(two, 1);
    program_count_own(one, COST_CPU, 2000);
    one->budget.limit_ppm = two->budget.limit_ppm = 20000;
    one->budget.share = 0.01;
    two->budget.share = 0.03;
    one->budget.changes = 5;
    program_change_resident(one, &(struct resident){0}, &(struct resident){100, 20, 3, 4, 5, 6, 7, 8});
    text = render(NULL);
    assert_line(text, "cprof_samples_total{program=\"server\",service=\"shop\",profile=\"cpu\"} 42");
    assert_line(text, "cprof_samples_total{program=\"server\",service=\"shop\",profile=\"memory\"} 0");
    assert_line(text,
                "cprof_samples_lost_total{program=\"server\",service=\"shop\",reason=\"stack_table\"} 7");
    assert_line(text, "cprof_samples_lost_total{program=\"server\",service=\"shop\",reason=\"malformed\"} 1");
    assert_line(text, "cprof_missed_total{program=\"server\",service=\"shop\",reason=\"timer\"} 8");
    assert_line(text, "cprof_stacks_cut_total{program=\"server\",service=\"shop\",reason=\"deep\"} 9");
    assert_line(text, "cprof_program_threads_started_total{program=\"server\",service=\"shop\"} 10");
    assert_line(text, "cprof_program_cpu_seconds_total{program=\"server\",service=\"shop\"} 1.500000001");
    assert_line(
        text,
        "cprof_overhead_cpu_seconds_total{program=\"server\",service=\"shop\",part=\"cpu\"} 0.000002000");
    assert_line(text, "cprof_overhead_ratio{program=\"server\",service=\"shop\"} 0.03");
    assert_line(text, "cprof_overhead_limit_ratio{program=\"server\",service=\"shop\"} 0.02");
    assert_line(text, "cprof_rates_lowered_total{program=\"server\",service=\"shop\"} 5");
    assert_line(text, "cprof_program_processes{program=\"server\",service=\"shop\"} 2");
    assert_line(text, "cprof_program_threads{program=\"server\",service=\"shop\"} 8");
    assert_line(
        text,
        "cprof_program_resident_memory_bytes{program=\"server\",service=\"shop\",kind=\"anonymous\"} 100");
    assert_line(text, "cprof_processes 2");
    assert_line(text, "cprof_processes_ended_total 3");
    assert_line(text, "cprof_http_refused_total{reason=\"rate\"} 2");
    free(text);
    program_leave(one, 1, 2);
    program_leave(two, 2, 2);
    text = render(NULL);
    assert_line(text, "cprof_samples_total{program=\"server\",service=\"shop\",profile=\"cpu\"} 42");
    assert_line(text, "cprof_program_processes{program=\"server\",service=\"shop\"} 0");
    assert_null(strstr(text, "cprof_program_threads{"));
    assert_null(strstr(text, "cprof_program_resident_memory_bytes{"));
    free(text);
}

static void test_names(void **state)
{
    char *text;

    (void)state;
    program_of("a\"b\\c", "d\ne", "");
    text = render(NULL);
    /* Control characters were replaced when the program came. */
    assert_line(text, "cprof_program_processes{program=\"a\\\"b\\\\c\",service=\"d?e\"} 0");
    free(text);
}

/* The first ones keep their series, however many come. */
static void test_ceiling(void **state)
{
    char name[32], line[128], *text;
    int64_t took_ns;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "program-%d", i);
        program_count(program_of(name, "", ""), COUNT_CPU_SAMPLES, 1);
        if (i != METRICS_PROGRAMS - 1 && i != 2999)
            continue;
        took_ns = -monotonic_ns();
        text = render(NULL);
        took_ns += monotonic_ns();
        snprintf(line, sizeof line,
                 "cprof_samples_total{program=\"program-%d\",service=\"program-%d\",profile=\"cpu\"} 1",
                 METRICS_PROGRAMS - 1, METRICS_PROGRAMS - 1);
        assert_line(text, line);
        if (i < METRICS_PROGRAMS)
            assert_null(strstr(text, "[other programs]"));
        else
            assert_line(text, "cprof_samples_total{program=\"[other programs]\",service=\"[other "
                              "programs]\",profile=\"cpu\"} 2900");
        assert_in_range(strlen(text), 1000, 1000000);
        print_message("%d programs: %zu bytes in %.2f ms\n", i + 1, strlen(text), (double)took_ns / 1e6);
        free(text);
    }
}

static void test_rates(void **state)
{
    struct segment *segment = calloc(1, sizeof *segment);
    struct target target = {.segment = segment,
                            .programs = &programs,
                            .wall_period_ns = 50000000,
                            .program = program_of("server", "", "")};
    char *text;

    (void)state;
    program_enter(target.program, 1, 1);
    segment->control.profiles = 1 << PROFILE_CPU | 1 << PROFILE_MUTEX | 1 << PROFILE_WALL;
    segment->control.cpu_period_ns = 10000000;
    segment->control.memory_rate = 524288;
    segment->control.mutex_fraction = 10;
    text = render(&target);
    assert_line(text, "cprof_cpu_sample_period_seconds{program=\"server\",service=\"server\"} 0.010000000");
    assert_line(text, "cprof_mutex_sample_ratio{program=\"server\",service=\"server\"} 0.1");
    assert_line(text, "cprof_wall_sample_period_seconds{program=\"server\",service=\"server\"} 0.050000000");
    assert_null(strstr(text, "cprof_memory_sample_period_bytes{")); /* it is off */
    assert_line(text, "cprof_recording_processes{program=\"server\",service=\"server\",profile=\"cpu\"} 1");
    assert_line(text,
                "cprof_recording_processes{program=\"server\",service=\"server\",profile=\"memory\"} 0");
    free(text);
    free(segment);
}

static void get_figures(const struct sink *sink, struct sink_figures *figures)
{
    (void)sink;
    figures->requests[SINK_DENIED] = 3;
    figures->dropped[SINK_DROP_OLD] = 4;
    figures->spool_limit = 1000;
    figures->spool_bytes = 10;
    figures->oldest_ns = 2 * SECOND_NS;
    durations_add(&figures->duration, 5 * MS_NS);
    durations_add(&figures->duration, 6 * MS_NS);
    durations_add(&figures->duration, 60 * SECOND_NS);
}

static void test_sinks(void **state)
{
    static const struct sink_ops ops = {.name = "pyroscope", .get_figures = get_figures},
                                 none = {.name = "files"};
    struct sink pusher = {&ops}, files = {&none};
    char *text;

    (void)state;
    programs_add_sink(&programs, &pusher);
    programs_add_sink(&programs, &files);
    text = render(NULL);
    assert_line(text, "cprof_push_requests_total{sink=\"pyroscope\",outcome=\"denied\"} 3");
    assert_line(text, "cprof_profiles_dropped_total{sink=\"pyroscope\",reason=\"old\"} 4");
    assert_line(text, "cprof_spool_bytes{sink=\"pyroscope\"} 10");
    assert_line(text, "cprof_unsent_oldest_age_seconds{sink=\"pyroscope\"} 2.000000000");
    assert_line(text, "cprof_push_duration_seconds_bucket{sink=\"pyroscope\",le=\"0.005\"} 1");
    assert_line(text, "cprof_push_duration_seconds_bucket{sink=\"pyroscope\",le=\"0.01\"} 2");
    assert_line(text, "cprof_push_duration_seconds_bucket{sink=\"pyroscope\",le=\"30\"} 2");
    assert_line(text, "cprof_push_duration_seconds_bucket{sink=\"pyroscope\",le=\"+Inf\"} 3");
    assert_line(text, "cprof_push_duration_seconds_sum{sink=\"pyroscope\"} 60.011000000");
    assert_line(text, "cprof_push_duration_seconds_count{sink=\"pyroscope\"} 3");
    assert_line(text, "cprof_round_duration_seconds_bucket{le=\"+Inf\"} 0");
    assert_null(strstr(text, "sink=\"files\""));
    free(text);
}

static void test_labels(void **state)
{
    static const struct {
        enum counter counter;
        const char *label;
    } labels[] = {{COUNT_CPU_SAMPLES, "cpu"},
                  {COUNT_ALLOC_SAMPLES, "memory"},
                  {COUNT_BLOCK_SAMPLES, "block"},
                  {COUNT_LOST_SAMPLE_TABLE, "sample_table"},
                  {COUNT_STACKS_TRUNCATED, "truncated"},
                  {COUNT_FOREIGN_ALLOCATOR, "foreign_allocator"}};
    char label[COUNTER_LABEL];

    (void)state;
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        counter_label(labels[i].counter, label);
        assert_string_equal(label, labels[i].label);
    }
}

/* Of a child: while it runs, once it has ended, and once it is gone. */
static void test_cpu_time(void **state)
{
    struct target target = {.program = program_of("server", "", "")};
    uint64_t before;
    int status;

    (void)state;
    target.pid = fork();
    if (!target.pid)
        for (int64_t spent; (spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID)) >= 0;)
            if (spent > 300 * MS_NS)
                _exit(0);
    target.pidfd = (int)syscall(SYS_pidfd_open, target.pid, 0);
    target_begin_cpu(&target);
    usleep(100000);
    target_read_cpu(&target);
    assert_in_range(target.program->cpu_ns, 1, 300 * MS_NS);
    assert_int_equal(waitid(P_PID, (id_t)target.pid, NULL, WEXITED | WNOWAIT), 0);
    target_end_cpu(&target);
    assert_in_range(target.program->cpu_ns, 280 * MS_NS, 400 * MS_NS);
    before = target.program->cpu_ns;
    assert_int_equal(waitpid(target.pid, &status, 0), target.pid);
    target_end_cpu(&target);
    assert_int_equal(target.program->cpu_ns, before);
    target.cpu_sampled_ns = 500 * MS_NS; /* nobody can be asked any more, but samples say so */
    target_end_cpu(&target);
    assert_int_equal(target.program->cpu_ns, before + 500 * MS_NS - before);
    close(target.pidfd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_format), TEST(test_sums),  TEST(test_names),  TEST(test_ceiling),
        TEST(test_rates),  TEST(test_sinks), TEST(test_labels), TEST(test_cpu_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
