/* SPDX-License-Identifier: Apache-2.0 */
#include "explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/convert/load.h"
#include "explain_parts.h"
#include "uploader/base/progress.h"

#define DEFAULT_PATH "cprof.out" /* where the launcher writes */
enum { FAILED = 1, USAGE = 2, OTHERS_NAMED = 2, NEXT_BRIEF = 2 };

static void print_help(void)
{
    puts("usage: cprof explain [--all] [--program=NAME] [FILE|DIRECTORY]\n"
         "\n"
         "Says in some lines what a profile, a thread dump (threads.txt, threads.pb.gz) or the directory of "
         "a session (cprof.out by default) shows:\n"
         "top costs, locks, memory that grows, waits, what makes the numbers doubtful, and what to look at "
         "next.\n"
         "\n"
         "Options:\n"
         "  --program=NAME   of this program of a session (the one with the most CPU time)\n"
         "  --all            with what matters less: callers, threads, memory of the process, all doubts\n"
         "  --help\n"
         "\n"
         "Ends with 0; 1: it could not be done; 2: it makes no sense.");
}

/* What a program used, for choosing one: CPU time, else time that threads lived. */
static int64_t weight_of(const struct reading *reading, const char *program)
{
    const struct read_profile *cpu = reading_find(reading, program, "cpu"),
                              *wall = reading_find(reading, program, "wall");

    if (cpu)
        return read_profile_total(cpu, cpu->default_type);
    return wall ? read_profile_total(wall, wall->default_type) / 1000 : 0;
}

static const char *choose_program(const struct reading *reading)
{
    const char *best = reading->profile[0]->program;
    int64_t most = -1;

    for (size_t i = 0; i < reading->profiles; i++) {
        int64_t weight = weight_of(reading, reading->profile[i]->program);
        if (weight > most)
            best = reading->profile[i]->program;
        most = weight > most ? weight : most;
    }
    return best;
}

/* The other programs of the reading, each once. */
static void say_others(struct explanation *explanation)
{
    const struct reading *reading = explanation->reading;
    const char *last = explanation->program;
    size_t others = 0;

    for (size_t i = 0; i < reading->profiles; i++) {
        const char *name = reading->profile[i]->program;
        if (!strcmp(name, last) || !strcmp(name, explanation->program))
            continue;
        last = name;
        if (others++ < OTHERS_NAMED)
            say(&explanation->say, others > 1 ? ", %s" : " Not explained here, --program=NAME does: %s",
                name);
    }
    if (others > OTHERS_NAMED)
        say(&explanation->say, " and %zu more", others - OTHERS_NAMED);
    if (others)
        say(&explanation->say, ".");
}

/* The session's own line, "redis-server: 1 process so far, 0 running; 13.074 s", which has the length of the record. */
static const char *facts_of(const struct explanation *explanation, const struct read_profile *profile)
{
    const size_t length = strlen(explanation->program);

    for (size_t i = 0; i < profile->comments; i++)
        if (!strncmp(profile->comment[i], explanation->program, length) &&
            !strncmp(profile->comment[i] + length, ": ", 2))
            return profile->comment[i];
    return NULL;
}

static const struct read_profile *any_profile(const struct explanation *explanation)
{
    const struct read_profile *list[] = {explanation->cpu,   explanation->wall,  explanation->memory,
                                         explanation->block, explanation->mutex, explanation->other};

    for (size_t i = 0; i < sizeof list / sizeof(list[0]); i++)
        if (list[i])
            return list[i];
    return explanation->reading->profiles ? explanation->reading->profile[0] : NULL;
}

static void say_head(struct explanation *explanation)
{
    const struct read_profile *profile = any_profile(explanation);
    const char *facts = profile ? facts_of(explanation, profile) : NULL;
    char time[SAY_NUMBER];

    explanation->duration_ns = profile ? profile->duration_ns : 0;
    if (facts)
        say(&explanation->say, "%s of profiling.", facts);
    else if (explanation->duration_ns > 0)
        say(&explanation->say, "%s: %s of profiling.",
            *explanation->program ? explanation->program : explanation->path,
            say_amount(time, explanation->duration_ns, "nanoseconds"));
    say_others(explanation);
    explain_paragraph(explanation, RANK_HEAD);
}

static void find_profiles(struct explanation *explanation)
{
    const struct reading *reading = explanation->reading;

    explanation->cpu = reading_find(reading, explanation->program, "cpu");
    explanation->memory = reading_find(reading, explanation->program, "memory");
    explanation->mutex = reading_find(reading, explanation->program, "mutex");
    explanation->block = reading_find(reading, explanation->program, "block");
    explanation->wall = reading_find(reading, explanation->program, "off_cpu");
    if (!explanation->wall)
        explanation->wall = reading_find(reading, explanation->program, "wall");
    if (!explanation->cpu && !explanation->memory && !explanation->mutex && !explanation->block &&
        !explanation->wall)
        explanation->other = reading->profile[0];
}

static void say_next(struct explanation *explanation)
{
    bool is_named = false;
    struct stat st;

    for (size_t i = 0; i < explanation->nexts; i++)
        is_named |= !strncmp(explanation->next[i], "cprof report ", 13);
    is_named |= explanation->nexts >= NEXT_BRIEF && !explanation->say.all;
    if (explanation->cpu && !is_named && !stat(explanation->path, &st))
        explain_next(explanation, "cprof report %s   # flame graphs and the time line, in a browser",
                     explanation->path);
}

static int explain_dump(struct explanation *explanation)
{
    const struct read_profile *profile = reading_find(explanation->reading, explanation->program, "threads");
    struct dump dump;
    int rc = profile ? dump_profile(&dump, profile) : -ENODATA;

    if (!profile)
        return 0;
    if (!rc)
        rc = explain_threads(explanation, &dump);
    dump_free(&dump);
    return rc == -ENODATA ? 0 : rc;
}

static int explain_reading(struct explanation *explanation)
{
    int rc;

    find_profiles(explanation);
    if (explanation->other && !strcmp(explanation->other->kind, "threads"))
        explanation->other = NULL;
    say_head(explanation);
    rc = explain_dump(explanation);
    if (!rc)
        rc = explain_cpu(explanation);
    if (!rc)
        rc = explain_other(explanation);
    if (!rc)
        rc = explain_locks(explanation);
    if (!rc)
        rc = explain_waits(explanation);
    if (!rc)
        rc = explain_memory(explanation);
    explain_doubts(explanation);
    say_next(explanation);
    return rc;
}

static bool has_program(const struct reading *reading, const char *program)
{
    for (size_t i = 0; i < reading->profiles; i++)
        if (!strcmp(reading->profile[i]->program, program))
            return true;
    return false;
}

static int explain_files(struct explanation *explanation)
{
    struct reading *reading = explanation->reading;
    int rc;

    progress_step("reading %s", explanation->path);
    rc = load_any(reading, explanation->path, FORMAT_UNKNOWN);
    progress_end();
    if (rc)
        return rc;
    if (!explanation->program)
        explanation->program = choose_program(reading);
    if (!has_program(reading, explanation->program)) {
        snprintf(reading->error, sizeof reading->error, "%.300s: it has no program %.100s", explanation->path,
                 explanation->program);
        return -ENODATA;
    }
    return explain_reading(explanation);
}

/* 1: the file is the text of a thread dump, which was explained. 0: it is not; or negative errno. */
static int try_dump(struct explanation *explanation)
{
    struct reading *reading = explanation->reading;
    struct source in;
    struct dump dump;
    struct stat st;
    int rc;

    if (!strcmp(explanation->path, "-") || stat(explanation->path, &st) || !S_ISREG(st.st_mode) ||
        source_open(&in, explanation->path))
        return 0;
    if (!dump_is_text(in.piece, in.end)) {
        source_close(&in);
        return 0;
    }
    explanation->program = "";
    rc = dump_text(&dump, &in);
    if (!rc)
        rc = explain_threads(explanation, &dump);
    else
        snprintf(reading->error, sizeof reading->error, "%.300s: there are no threads in this dump",
                 explanation->path);
    dump_free(&dump);
    source_close(&in);
    return rc ? rc : 1;
}

/* 0; 1: help was printed; negative errno. */
static int take_arguments(struct explanation *explanation, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_help();
            return 1;
        }
        if (!strcmp(argv[i], "--all")) {
            explanation->say.all = true;
        } else if (!strncmp(argv[i], "--program=", 10)) {
            explanation->program = argv[i] + 10;
        } else if (!strcmp(argv[i], "--program") && i + 1 < argc) {
            explanation->program = argv[++i];
        } else if (*argv[i] == '-' && argv[i][1]) {
            fprintf(stderr, "cprof: explain: unknown option %s (cprof explain --help)\n", argv[i]);
            return -EINVAL;
        } else if (explanation->path) {
            fputs("cprof: explain: one file or directory at a time; cprof diff compares two\n", stderr);
            return -EINVAL;
        } else {
            explanation->path = argv[i];
        }
    }
    if (explanation->path)
        return 0;
    explanation->path = DEFAULT_PATH;
    if (!access(DEFAULT_PATH, F_OK))
        return 0;
    fputs("cprof: explain: there is no directory " DEFAULT_PATH
          " here; name a session's directory, a profile or a thread dump\n",
          stderr);
    return -EINVAL;
}

int explain_main(int argc, char **argv)
{
    struct explanation *explanation = calloc(1, sizeof *explanation);
    struct reading reading;
    int rc;

    if (!explanation)
        return FAILED;
    explanation->reading = &reading;
    rc = take_arguments(explanation, argc, argv);
    if (rc) {
        free(explanation);
        return rc > 0 ? 0 : USAGE;
    }
    reading_init(&reading);
    rc = try_dump(explanation);
    if (!rc)
        rc = explain_files(explanation);
    if (rc >= 0)
        explain_print(explanation);
    if (rc < 0)
        fprintf(stderr, "cprof: explain: %s\n", *reading.error ? reading.error : strerror(-rc));
    reading_free(&reading);
    free(explanation);
    return rc < 0 ? FAILED : 0;
}
