/* SPDX-License-Identifier: Apache-2.0 */
// runs: 80000
/* The environment and the command line: strings that end with a NUL, one for each variable and argument. An
   input that begins with '-' is a command line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uploader/options/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { STRINGS = 64, MOST_INPUT = 8192 };

/* What is wrong with options is said on stderr. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    stderr = fopen("/dev/null", "w");
    return 0;
}

static void complain(const char *line, void *context)
{
    (void)context;
    if (strlen(line) >= 400 || !*line)
        abort();
}

static void read_environment(char *const *strings)
{
    struct settings settings;
    char name[108], out[512];

    settings_read(&settings, strings, complain, NULL);
    for (int i = 0; i < SETTINGS; i++)
        if (!settings.value[i].text)
            abort();
    settings_socket_name(&settings, 0, "/", name);
    if (!memchr(name, 0, sizeof name))
        abort();
    if (!settings_out(&settings, "/somewhere", out, sizeof out) && *out && *out != '/')
        abort();
}

static void parse_quantities(const char *text)
{
    struct setting_keep keep;
    uint64_t number;

    for (int i = 0; i < SETTINGS; i++)
        setting_parse(&setting_rows[i], text, &number);
    if (!setting_parse_keep(text, &keep) && !keep.ns != !keep.bytes)
        abort();
}

static void read_options(int count, char **strings)
{
    struct options options = {.segment_fd = -1};
    static char *empty[] = {NULL};
    int first;

    environ = empty;
    first = options_parse(&options, count, strings);
    if (first > count)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1), *strings[STRINGS + 1] = {NULL};
    int count = 0;

    if (!copy || size > MOST_INPUT) {
        free(copy);
        return 0;
    }
    memcpy(copy, data, size);
    copy[size] = 0;
    for (size_t at = 0; at < size && count < STRINGS; at += strlen(copy + at) + 1)
        strings[count++] = copy + at;
    read_environment(strings);
    parse_quantities(copy);
    if (*copy == '-')
        read_options(count, strings);
    free(copy);
    return 0;
}
