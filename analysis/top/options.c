/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/segment/quantity.h"
#include "uploader/base/clock.h"
#include "uploader/control/request.h"

#define INTERVAL_NS (2 * SECOND_NS)
#define SHORTEST_NS (SECOND_NS / 10)
#define LONGEST_NS  (60 * SECOND_NS)
enum { ROWS_MOST = 1000 };

static void print_help(void)
{
    puts("usage: cprof top [options]\n"
         "\n"
         "Shows what a running session finds, in the terminal: the hottest functions of the last interval "
         "and since\n"
         "the start, threads, locks, memory, and what profiling costs. Press h there for the keys.\n"
         "\n"
         "Options:\n"
         "  --session=NAME     the session's socket, if there are several [CPROF_SOCKET]\n"
         "  --program=NAME     of this program or service alone\n"
         "  --pid=PID          of this process alone\n"
         "  --type=TYPE        what is shown first: cpu, alloc, blocks, live, live_blocks, mutex, "
         "contentions,\n"
         "                     block, events, wall, off_cpu, threads, created (cpu)\n"
         "  --interval=TIME    between two looks, 100ms to 60s (2s)\n"
         "  -n N               so many functions at most\n"
         "  --once             one interval as text, and end\n"
         "  --help\n"
         "\n"
         "Without a terminal, each interval is a block of text.\n"
         "Ends with 0; 1: there is no session, or it does not answer; 2: a wrong option; 3: there is no such "
         "process\n"
         "or program.");
}

static int take_number(const char *option, const char *value, long most, long *number)
{
    char *end;

    errno = 0;
    *number = strtol(value, &end, 10);
    if (end != value && !*end && !errno && *number > 0 && *number <= most)
        return 0;
    fprintf(stderr, "cprof: top: %s is a number from 1 to %ld, not %.40s\n", option, most, value);
    return -EINVAL;
}

static int take_pid(struct top_options *options, const char *value)
{
    long number;
    int rc = take_number("--pid", value, INT_MAX, &number);

    if (!rc)
        options->wanted.pid = (int)number;
    return rc;
}

static int take_rows(struct top_options *options, const char *value)
{
    long number;
    int rc = take_number("-n", value, ROWS_MOST, &number);

    if (!rc)
        options->rows = (unsigned)number;
    return rc;
}

static int take_session(struct top_options *options, const char *value)
{
    options->session = value;
    return 0;
}

static int take_program(struct top_options *options, const char *value)
{
    if (!*value || strlen(value) >= CONTROL_PROGRAM || strchr(value, '\n')) {
        fprintf(stderr, "cprof: top: --program is a name of 1 to %d bytes\n", CONTROL_PROGRAM - 1);
        return -EINVAL;
    }
    options->wanted.program = value;
    return 0;
}

static int take_type(struct top_options *options, const char *value)
{
    int view = view_find(value);

    if (view < 0) {
        fprintf(stderr, "cprof: top: there is no type %.40s:", value);
        for (int i = 0; i < VIEWS; i++)
            fprintf(stderr, "%s %s", i ? "," : "", views[i].name);
        fputc('\n', stderr);
        return -EINVAL;
    }
    options->view = (enum view_id)view;
    return 0;
}

static int take_interval(struct top_options *options, const char *value)
{
    uint64_t ns;

    if (quantity_parse(value, quantity_times, "s", &ns) || ns < SHORTEST_NS || ns > LONGEST_NS) {
        fprintf(stderr, "cprof: top: --interval is a time from 100ms to 60s, not %.40s\n", value);
        return -EINVAL;
    }
    options->interval_ns = (int64_t)ns;
    return 0;
}

static const struct {
    const char *name;
    int (*take)(struct top_options *options, const char *value);
} known[] = {
    {"--session", take_session}, {"--program", take_program},   {"--pid", take_pid},
    {"--type", take_type},       {"--interval", take_interval}, {"-n", take_rows},
};

/* "--name=value", "--name value", "-n5". Returns whether the next argument was used, too, or -EINVAL. */
static int take(struct top_options *options, const char *argument, const char *next)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t length = strlen(known[i].name);
        const char *value = argument + length;
        bool is_short = known[i].name[1] != '-', uses_next;
        if (strncmp(argument, known[i].name, length) != 0 || (*value && *value != '=' && !is_short))
            continue;
        uses_next = !*value;
        value = uses_next ? next : *value == '=' ? value + 1 : value;
        if (!value) {
            fprintf(stderr, "cprof: top: %s needs a value\n", argument);
            return -EINVAL;
        }
        return known[i].take(options, value) ? -EINVAL : uses_next;
    }
    fprintf(stderr, "cprof: top: %.60s is no option (cprof top --help)\n", argument);
    return -EINVAL;
}

int top_options(int argc, char **argv, struct top_options *options)
{
    *options = (struct top_options){.view = VIEW_CPU, .interval_ns = INTERVAL_NS};
    for (int i = 1; i < argc; i++) {
        int used = 0;
        if (!strcmp(argv[i], "--help") || (!strcmp(argv[i], "-h"))) {
            print_help();
            return 1;
        }
        if (!strcmp(argv[i], "--once"))
            options->once = true;
        else
            used = take(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (used < 0)
            return used;
        i += used;
    }
    if (!options->wanted.pid || !options->wanted.program)
        return 0;
    fputs("cprof: top: --pid and --program: one of both\n", stderr);
    return -EINVAL;
}
