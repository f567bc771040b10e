/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "options.h"
#include "paths.h"
#include "uploader/base/clock.h"

enum { WARNINGS = 64 };

/* One warning, identified by its format and by what it is about: texts with other numbers are still the same
   warning. */
struct warning {
    const char *format;
    const void *about;
    int64_t next_ns;
    unsigned held_back;
};

static struct {
    const struct options *options;
    int fd; /* 0: not open yet */
    bool everything;
    struct warning warning[WARNINGS];
    void (*take)(const char *line, void *context);
    void *context;
} log_state;

/* The first line makes the file. A session without warnings leaves none. */
static int log_fd(void)
{
    char path[sizeof log_state.options->out + 16];
    const char *name = path;

    if (log_state.fd || !log_state.options)
        return log_state.fd > 0 ? log_state.fd : -1;
    if (log_state.everything)
        name = log_state.options->settings.value[SETTING_LOG].text;
    else if (*log_state.options->out)
        snprintf(path, sizeof path, "%s/cprof.log", log_state.options->out);
    else
        return -1;
    log_state.fd = path_open_log(name);
    if (log_state.fd == -ENOENT)
        log_state.fd = 0; /* the output directory is not there yet: the next line tries again */
    return log_state.fd > 0 ? log_state.fd : -1;
}

/* In the output directory, which may not be there yet, the next line tries again. */
static bool is_in_output(const struct options *options, const char *path)
{
    size_t length = strlen(options->out);
    char directory[PATH_MAX] = "";
    size_t here = *path != '/' && getcwd(directory, sizeof directory) ? strlen(directory) + 1 : 0;

    if (here >= length)
        return false;
    return length && (!here || !strncmp(options->out, directory, here - 1)) &&
           !strncmp(options->out + here, path, length - here) && path[length - here] == '/';
}

static void say_no_log(const struct options *options)
{
    const char *path = options->settings.value[SETTING_LOG].text;

    if (log_state.fd || !is_in_output(options, path))
        log_failure("CPROF_LOG=%s: %s; no log is written", path,
                    path_error(log_state.fd ? -log_state.fd : ENOENT));
}

void log_open(const struct options *options)
{
    log_state.options = options;
    log_state.everything = *options->settings.value[SETTING_LOG].text != 0;
    /* A relative path counts from the present directory, which is left soon. */
    if (log_state.everything && log_fd() == -1)
        say_no_log(options);
}

void log_divert(void (*take)(const char *line, void *context), void *context)
{
    log_state.take = take;
    log_state.context = context;
}

/* The number of equal warnings that were held back since the last one was written. -1: hold back this one,
   too. */
static int warning_due(const char *format, const void *about)
{
    struct warning *found = &log_state.warning[0];
    int64_t now = monotonic_ns();
    int held_back;
    bool is_same;

    for (unsigned i = 0; i < WARNINGS; i++) {
        struct warning *warning = &log_state.warning[i];
        if (warning->format == format && warning->about == about) {
            found = warning;
            break;
        }
        if (warning->next_ns < found->next_ns)
            found = warning;
    }
    is_same = found->format == format && found->about == about;
    if (is_same && now < found->next_ns) {
        found->held_back++;
        return -1;
    }
    held_back = is_same ? (int)found->held_back : 0;
    *found = (struct warning){format, about, now + 60 * SECOND_NS, 0};
    return held_back;
}

static void write_line(int fd, const char *text)
{
    char line[1200], stamp[32];
    time_t now = (time_t)(clock_ns(CLOCK_REALTIME) / SECOND_NS);
    struct tm tm;
    int length;

    strftime(stamp, sizeof stamp, "%F %T", localtime_r(&now, &tm));
    length = fd == STDERR_FILENO
                 ? snprintf(line, sizeof line, "cprof: %s\n", text)
                 : snprintf(line, sizeof line, "%s cprof[%d]: %s\n", stamp, (int)getpid(), text);
    if (length > 0 && write(fd, line, (size_t)length) < 0)
        return; /* there is nowhere left to say it */
}

enum level { INFO, EVENT, WARNING, FAILURE };

static bool is_for_stderr(enum level level)
{
    const struct options *options = log_state.options;
    return options && ((level >= WARNING && options->foreground) || (level == FAILURE && options->beside));
}

static void log_write(const void *about, const char *format, va_list args, enum level level)
{
    char text[1024];
    int used = vsnprintf(text, sizeof text, format, args),
        held_back = level >= WARNING ? warning_due(format, about) : 0;

    if (held_back < 0 || used < 0)
        return;
    if (log_state.take) {
        if (level >= WARNING)
            log_state.take(text, log_state.context);
        return;
    }
    if (held_back && (size_t)used < sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, " (and %d times more before)", held_back);
    if (is_for_stderr(level))
        write_line(STDERR_FILENO, text);
    if ((level != INFO || log_state.everything) && log_fd() > 0)
        write_line(log_fd(), text);
}

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_write(NULL, format, args, INFO);
    va_end(args);
}

void log_event(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_write(NULL, format, args, EVENT);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_write(NULL, format, args, WARNING);
    va_end(args);
}

void log_warn_of(const void *about, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_write(about, format, args, WARNING);
    va_end(args);
}

void log_failure(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_write(NULL, format, args, FAILURE);
    va_end(args);
}
