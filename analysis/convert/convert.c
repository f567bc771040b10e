/* SPDX-License-Identifier: Apache-2.0 */
/* cprof convert: profiles of one format in another. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert.h"
#include "load.h"
#include "output_file.h"
#include "select.h"
#include "uploader/base/progress.h"

enum { FAILED = 1, USAGE = 2 };

struct convert {
    enum format from, to;
    struct select_what what;
    bool threads;
    const char *output; /* NULL: standard output */
    char **path;
    int paths;
    struct reading reading;
};

static void print_help(void)
{
    puts(
        "usage: cprof convert [options] FILE|DIRECTORY...\n"
        "\n"
        "Writes profiles in another format. Files are pprof, folded stacks, speedscope JSON, Firefox "
        "Profiler JSON\n"
        "or the text of perf script, gzipped or not; - is standard input. Files of one program and type are "
        "added up.\n"
        "\n"
        "Options:\n"
        "  --to=FORMAT      folded, speedscope, firefox or pprof; as the output's name says, if it does\n"
        "  --from=FORMAT    pprof, folded, speedscope, firefox or perf-script; as the contents say\n"
        "  --type=TYPE      cpu, memory, inuse_space, block:delay ...: a profile, or a type of one\n"
        "  --program=NAME   of this program alone\n"
        "  --threads        each thread by itself, in folded stacks and speedscope\n"
        "  -o, --output=OUT a file, gzipped if it ends in .gz; for pprof, too, a directory that gets\n"
        "                   PROGRAM/TYPE.pb.gz (standard output)\n"
        "  --help\n"
        "\n"
        "Names that say the format: .folded .collapsed .txt, .speedscope.json, .firefox.json, .pb.gz .pprof\n"
        "\n"
        "Ends with 0; 1: it could not be done; 2: it makes no sense.");
}

static int take_format(const char *value, enum format *format, bool writes)
{
    *format = value ? format_named(value) : FORMAT_UNKNOWN;
    if (*format != FORMAT_UNKNOWN && !(writes && *format == FORMAT_PERF_SCRIPT))
        return 0;
    fprintf(stderr, "cprof: convert: %s is no format (%s)\n", value ? value : "nothing",
            writes ? "folded, speedscope, firefox, pprof"
                   : "pprof, folded, speedscope, firefox, perf-script");
    return -EINVAL;
}

static int take_option(struct convert *convert, const char *option, size_t length, const char *value)
{
    static const char *const names[] = {"to", "from", "type", "program", "output", "o"};
    size_t i = 0;

    while (i < sizeof names / sizeof names[0] &&
           (strlen(names[i]) != length || memcmp(names[i], option, length) != 0))
        i++;
    if (i < sizeof names / sizeof names[0] && value)
        switch (i) {
        case 0:
            return take_format(value, &convert->to, true);
        case 1:
            return take_format(value, &convert->from, false);
        case 2:
            convert->what.type = value;
            return 0;
        case 3:
            convert->what.program = value;
            return 0;
        default:
            convert->output = value;
            return 0;
        }
    fprintf(stderr, "cprof: convert: unknown option %s, or without its value (cprof convert --help)\n",
            option);
    return -EINVAL;
}

/* 0; 1: help was printed; negative errno. Paths are moved to the front of argv. */
static int take_arguments(struct convert *convert, int argc, char **argv)
{
    bool only_paths = false;

    convert->path = argv;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (only_paths || *word != '-' || !word[1]) {
            convert->path[convert->paths++] = word;
        } else if (!strcmp(word, "--")) {
            only_paths = true;
        } else if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
            print_help();
            return 1;
        } else if (!strcmp(word, "--threads")) {
            convert->threads = true;
        } else {
            const char *option = word + 1 + (word[1] == '-'), *equals = strchr(option, '=');
            size_t length = equals ? (size_t)(equals - option) : strlen(option);
            const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
            if (take_option(convert, option, length, value))
                return -EINVAL;
        }
    }
    if (convert->paths)
        return 0;
    fputs("cprof: convert: which file or directory? (cprof convert --help)\n", stderr);
    return -EINVAL;
}

static bool is_directory(const char *path)
{
    size_t length = strlen(path);
    struct stat st;

    return (length && path[length - 1] == '/') || (!stat(path, &st) && S_ISDIR(st.st_mode));
}

static int find_format(struct convert *convert)
{
    if (convert->to == FORMAT_UNKNOWN && convert->output)
        convert->to = is_directory(convert->output) ? FORMAT_PPROF : guess_name(convert->output);
    if (convert->to == FORMAT_UNKNOWN) {
        fprintf(stderr, "cprof: convert: which format? --to=folded, speedscope, firefox or pprof\n");
        return -EINVAL;
    }
    if (convert->to != FORMAT_PPROF && convert->output && is_directory(convert->output)) {
        fprintf(stderr,
                "cprof: convert: %s is a directory; only pprof is written to one, a file per profile\n",
                convert->output);
        return -EINVAL;
    }
    if (convert->to == FORMAT_PPROF && !convert->output && isatty(STDOUT_FILENO)) {
        fputs("cprof: convert: pprof is not for a terminal; -o FILE.pb.gz writes a file\n", stderr);
        return -EINVAL;
    }
    return 0;
}

static int write_profiles(struct convert *convert)
{
    struct choice choice = {
        .reading = &convert->reading, .name = convert->path[0], .threads = convert->threads};
    int rc;

    convert->what.one_type = convert->to == FORMAT_FOLDED || convert->to == FORMAT_FIREFOX;
    convert->what.one_profile =
        convert->to == FORMAT_FOLDED ||
        (convert->to == FORMAT_PPROF && !(convert->output && is_directory(convert->output)));
    rc = select_profiles(&choice, &convert->what);
    if (!rc)
        rc = output_write(&choice, convert->to, convert->output);
    free(choice.item);
    return rc;
}

int convert_main(int argc, char **argv)
{
    struct convert convert = {.from = FORMAT_UNKNOWN};
    struct reading *reading = &convert.reading;
    int rc = take_arguments(&convert, argc, argv);

    if (rc || find_format(&convert))
        return rc > 0 ? 0 : USAGE;
    reading_init(reading);
    for (int i = 0; i < convert.paths && !rc; i++) {
        progress_step("reading %s", convert.path[i]);
        rc = load_any(reading, convert.path[i], convert.from);
    }
    if (!rc) {
        progress_step("writing");
        rc = write_profiles(&convert);
    }
    progress_end();
    if (rc)
        fprintf(stderr, "cprof: convert: %s\n", *reading->error ? reading->error : strerror(-rc));
    reading_free(reading);
    return rc ? FAILED : 0;
}
