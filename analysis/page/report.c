/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "making.h"
#include "uploader/base/progress.h"

#define DIRECTORY "cprof.out"
#define NAME      "report.html"
enum { FAILED = 2 };

struct wishes {
    const char *output; /* NULL: beside what is read */
    char **path;        /* those that are read */
    int paths;
    bool help, with_sources;
    const char *sources; /* a directory, or NULL */
};

/* Says why, and is what the command ends with. */
#define refuse(...) (progress_refuse("report: " __VA_ARGS__), FAILED)

static void print_help(void)
{
    puts("usage: cprof report [-o FILE] [--sources[=DIR]] [DIR|FILE...]\n"
         "Writes a page to look at, for any browser: one file, which asks nothing of a network.\n\n"
         "With --live it serves the report of a session that runs: cprof report --live --help.\n\n"
         "  DIR        a session's directory, cprof.out by default; one program's; or one with any profiles\n"
         "  FILE       a profile in pprof's format, of anybody, compressed or not; - is standard input\n"
         "  -o FILE    where the page goes; - is standard output. By default it is report.html, in the "
         "directory\n"
         "             that is read, or here if files are read\n"
         "  --sources[=DIR]\n"
         "             puts source files that the profiles name into the page, if they can be read here or, "
         "with DIR,\n"
         "             below that directory. Whoever gets the page gets them, too.\n\n"
         "Exit status: 0, or 2 if there is no page.");
}

/* 0, or the exit status. Paths are moved to the front of argv. */
static int read_arguments(struct wishes *wishes, int argc, char **argv)
{
    bool options = true;

    *wishes = (struct wishes){.path = argv};
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (options && !strcmp(word, "--"))
            options = false;
        else if (options && (!strcmp(word, "--help") || !strcmp(word, "-h")))
            wishes->help = true;
        else if (options && (!strcmp(word, "-o") || !strcmp(word, "--output")) && i + 1 < argc)
            wishes->output = argv[++i];
        else if (options && !strncmp(word, "--output=", 9))
            wishes->output = word + 9;
        else if (options && !strcmp(word, "--sources"))
            wishes->with_sources = true;
        else if (options && !strncmp(word, "--sources=", 10)) {
            wishes->with_sources = true;
            wishes->sources = word + 10;
        } else if (options && *word == '-' && word[1])
            return refuse("%s: no such option, or its value is missing; cprof report --help lists them",
                          word);
        else
            argv[wishes->paths++] = word;
    }
    return 0;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Beside what is read. false: the path is too long. */
static bool choose_output(const struct wishes *wishes, char output[PATH_MAX])
{
    const char *first = wishes->path[0];

    if (wishes->output)
        return snprintf(output, PATH_MAX, "%s", wishes->output) < PATH_MAX;
    if (wishes->paths == 1 && is_directory(first))
        return snprintf(output, PATH_MAX, "%s%s" NAME, first, first[strlen(first) - 1] == '/' ? "" : "/") <
               PATH_MAX;
    return snprintf(output, PATH_MAX, NAME) < PATH_MAX;
}

static void tell(const struct making *making, const char *output)
{
    FILE *out = strcmp(output, "-") ? stdout : stderr;

    progress_end();
    fprintf(out, "%s: %zu kB, %zu profiles", strcmp(output, "-") ? output : "standard output",
            (making->bytes + 999) / 1000, making->files);
    if (making->left_out.intervals)
        fprintf(out, "; the oldest %zu intervals are left out", making->left_out.intervals);
    if (making->sources)
        fprintf(out, ", %zu source file%s", making->sources->taken, making->sources->taken == 1 ? "" : "s");
    if (making->passed_over)
        fprintf(out, "; %zu files that are no profiles were passed over", making->passed_over);
    putc('\n', out);
}

static int make(const struct wishes *wishes)
{
    static const struct page_head head;
    struct sources sources = {.directory = wishes->sources};
    struct making making;
    char output[PATH_MAX];
    int error;

    if (!choose_output(wishes, output))
        return refuse("the path of the page is too long; choose another place with -o FILE");
    error = making_open(&making, output, &head);
    if (wishes->with_sources)
        making.sources = &sources;
    for (int i = 0; i < wishes->paths && !error; i++)
        error = making_add(&making, 0, wishes->path[i]);
    error = making_close(&making, error);
    if (!error)
        tell(&making, output);
    sources_free(&sources);
    return error ? refuse("%s", making.error) : 0;
}

int report_main(int argc, char **argv)
{
    static char directory[] = DIRECTORY, *by_default[] = {directory};
    struct wishes wishes;
    int rc = read_arguments(&wishes, argc, argv);

    if (rc)
        return rc;
    if (wishes.help) {
        print_help();
        return 0;
    }
    if (!wishes.paths && !is_directory(directory))
        return refuse("there is no directory " DIRECTORY " here; name a session's directory or profiles");
    if (!wishes.paths) {
        wishes.path = by_default;
        wishes.paths = 1;
    }
    return make(&wishes);
}
