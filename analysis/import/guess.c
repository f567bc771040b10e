/* SPDX-License-Identifier: Apache-2.0 */
#include "guess.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Marks of JSON files. Each stands near the beginning of what programs write. */
static const struct {
    const char *mark;
    enum format format;
    const char *what;
} marks[] = {
    {"speedscope.app/file-format-schema", FORMAT_SPEEDSCOPE, NULL},
    {"\"preprocessedProfileVersion\"", FORMAT_FIREFOX, NULL},
    {"\"traceEvents\"", FORMAT_UNKNOWN, "it is a Chrome trace, which has no stacks with values"},
    {"\"timeDeltas\"", FORMAT_UNKNOWN,
     "it is a CPU profile of V8: open it in speedscope, which exports a format of its own"},
    {"\"dhatFileVersion\"", FORMAT_UNKNOWN,
     "it is a file of DHAT: open it in Firefox Profiler and save it there"},
    {"\"profiles\"", FORMAT_SPEEDSCOPE, NULL},
    {"\"stackTable\"", FORMAT_FIREFOX, NULL},
    {"\"meta\"", FORMAT_UNKNOWN,
     "it is a profile of Firefox that was not processed: open it in Firefox Profiler and save it there"},
};

static bool contains(const uint8_t *data, size_t size, const char *mark)
{
    return memmem(data, size, mark, strlen(mark)) != NULL;
}

static enum format guess_json(const uint8_t *data, size_t size, const char **what)
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (contains(data, size, marks[i].mark)) {
            *what = marks[i].what;
            return marks[i].format;
        }
    *what = "it is JSON of a kind that is not known here; --from=speedscope or --from=firefox says which";
    return FORMAT_UNKNOWN;
}

/* pprof is binary: its first message has small numbers. */
static bool is_binary(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && i < 512; i++)
        if (data[i] < ' ' && !strchr("\t\n\r\f", data[i]))
            return true;
        else if (!data[i])
            return true;
    return false;
}

/* By the end of the first line that is neither empty nor a comment. */
static enum format guess_text(const uint8_t *data, size_t size, const char **what)
{
    const uint8_t *end = data + size, *line_end;

    for (; data < end; data = line_end + 1) {
        line_end = memchr(data, '\n', (size_t)(end - data));
        line_end = line_end ? line_end : end;
        if (data == line_end || *data == '#' || isspace(*data))
            continue;
        if (contains(data, (size_t)(line_end - data), "heap profile:") ||
            contains(data, (size_t)(line_end - data), "--- "))
            *what =
                "it is a profile in the old text format: `go tool pprof -proto FILE` makes a new one of it";
        while (line_end > data && isspace(line_end[-1]))
            line_end--;
        return line_end[-1] == ':'     ? FORMAT_PERF_SCRIPT
               : isdigit(line_end[-1]) ? FORMAT_FOLDED
                                       : FORMAT_UNKNOWN;
    }
    return FORMAT_UNKNOWN;
}

enum format guess_contents(const uint8_t *data, size_t size, const char **what)
{
    enum format format;
    size_t at = 0;

    *what = NULL;
    if (size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3))
        at = 3;
    if (is_binary(data, size))
        return FORMAT_PPROF;
    while (at < size && isspace(data[at]))
        at++;
    if (at < size && data[at] == '{')
        return guess_json(data + at, size - at, what);
    format = guess_text(data + at, size - at, what);
    if (*what)
        return FORMAT_UNKNOWN;
    if (format == FORMAT_UNKNOWN)
        *what = size ? "it is none of pprof, folded stacks, speedscope, Firefox Profiler and perf script"
                     : "it is empty";
    return format;
}

static const struct {
    const char *end;
    enum format format;
} ends[] = {
    {".folded", FORMAT_FOLDED},
    {".collapsed", FORMAT_FOLDED},
    {".txt", FORMAT_FOLDED},
    {".stacks", FORMAT_FOLDED},
    {".speedscope.json", FORMAT_SPEEDSCOPE},
    {".speedscope", FORMAT_SPEEDSCOPE},
    {".firefox.json", FORMAT_FIREFOX},
    {".pb", FORMAT_PPROF},
    {".pprof", FORMAT_PPROF},
};

enum format guess_name(const char *path)
{
    size_t length = strlen(path);

    if (length > 3 && !strcmp(path + length - 3, ".gz"))
        length -= 3;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t end = strlen(ends[i].end);
        if (length > end && !memcmp(path + length - end, ends[i].end, end))
            return ends[i].format;
    }
    return FORMAT_UNKNOWN;
}

enum format format_named(const char *name)
{
    static const char *const names[] = {
        [FORMAT_PPROF] = "pprof",
        [FORMAT_FOLDED] = "folded",
        [FORMAT_SPEEDSCOPE] = "speedscope",
        [FORMAT_FIREFOX] = "firefox",
        [FORMAT_PERF_SCRIPT] = "perf-script",
    };

    for (enum format i = FORMAT_PPROF; i <= FORMAT_PERF_SCRIPT; i++)
        if (!strcmp(names[i], name))
            return i;
    return FORMAT_UNKNOWN;
}
