/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "uploader/encoding/utf8.h"

#define QUIET_NS SECOND_NS
#define EACH_NS  (100 * MS_NS)

enum { STEP = 160, WIDTH_DEFAULT = 80 };

static struct {
    char step[STEP];
    int64_t start_ns, shown_ns;
    bool is_checked, is_terminal, is_shown;
} progress;

static unsigned width(void)
{
    struct winsize size;
    bool known = !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 1;

    return known ? size.ws_col - 1u : WIDTH_DEFAULT - 1;
}

/* The length of what fits on a line, by characters. */
static size_t cut(const char *text, unsigned columns)
{
    size_t at = 0;

    for (unsigned used = 0; text[at]; used++) {
        if (used == columns)
            return at;
        for (at++; ((unsigned char)text[at] & 0xc0) == 0x80;)
            at++;
    }
    return at;
}

static void show(const char *rest)
{
    const int64_t now_ns = monotonic_ns();
    char line[STEP + 64];

    if (!progress.is_terminal || now_ns - progress.start_ns < QUIET_NS ||
        (progress.shown_ns && now_ns - progress.shown_ns < EACH_NS))
        return;
    progress.shown_ns = now_ns;
    progress.is_shown = true;
    snprintf(line, sizeof line, "%s%s", progress.step, rest);
    fprintf(stderr, "\r%.*s\033[K", (int)cut(line, width()), line);
    fflush(stderr);
}

void progress_step(const char *format, ...)
{
    char text[STEP];
    va_list args;

    if (!progress.is_checked) {
        progress.is_checked = true;
        progress.is_terminal = isatty(STDERR_FILENO);
        progress.start_ns = monotonic_ns();
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_clean(progress.step, sizeof progress.step, text, true);
    progress.shown_ns = 0;
    show("");
}

void progress_at(uint64_t done, uint64_t of)
{
    char rest[48] = "";

    if (!progress.is_terminal)
        return;
    if (of && done <= of)
        snprintf(rest, sizeof rest, ": %.0f %%", 100.0 * (double)done / (double)of);
    show(rest);
}

void progress_end(void)
{
    if (!progress.is_shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress.is_shown = false;
}

void progress_refuse(const char *format, ...)
{
    va_list list;

    progress_end();
    fputs("cprof: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    putc('\n', stderr);
}
