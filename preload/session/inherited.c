/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for editing this file: openat, read and close of a file, and write to stderr. The dynamic linker has
 * made the first three to get us here, as any filter that let it do so must allow.
 */
#include "inherited.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "sampler/base/sys.h"
#include "sampler/segment/settings.h"

/* A container's runtime installs one filter. Its default profile, and those that are made after it, let a
   call that they forbid fail with an error: programs there try calls that they can do without. */
enum { CONTAINER_FILTERS = 1, MODE_FILTER = 2 };

struct status {
    unsigned parent, mode, filters;
};

static long open_file(const char *path)
{
    return sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

static bool exists(const char *path)
{
    long fd = open_file(path);
    if (fd >= 0)
        sys_call(SYS_close, fd);
    return fd >= 0;
}

static void read_field(const char *line, const char *name, unsigned *value)
{
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0)
        return;
    for (*value = 0, line += length; *line >= '0' && *line <= '9'; line++)
        *value = *value * 10 + (unsigned)(*line - '0');
}

/* Lines that do not fit are none of those that are looked for. false: there is no such file. */
static bool read_status(const char *path, struct status *status)
{
    char buffer[2048], *line, *end;
    size_t have = 0;
    long got, fd = open_file(path);

    *status = (struct status){0, 0, CONTAINER_FILTERS};
    if (fd < 0)
        return false;
    while ((got = sys_call(SYS_read, fd, buffer + have, sizeof buffer - 1 - have)) > 0) {
        buffer[have += (size_t)got] = 0;
        for (line = buffer; (end = strchr(line, '\n')); line = end + 1) {
            read_field(line, "PPid:\t", &status->parent);
            read_field(line, "Seccomp:\t", &status->mode);
            read_field(line, "Seccomp_filters:\t", &status->filters);
        }
        have -= (size_t)(line - buffer);
        if (have == sizeof buffer - 1)
            have = 0;
        memmove(buffer, line, have);
    }
    sys_call(SYS_close, fd);
    return true;
}

/* The filter is the one that all of a container is under, its first process included. */
static bool is_containers(const struct status *status, char *const *environment)
{
    struct status first;
    if (status->filters > CONTAINER_FILTERS || !read_status("/proc/1/status", &first) ||
        first.mode != MODE_FILTER || first.filters != status->filters)
        return false;
    return settings_getenv(environment, "KUBERNETES_SERVICE_HOST") || exists("/.dockerenv") ||
           exists("/run/.containerenv");
}

static void append(char *to, const char *text)
{
    memcpy(to + strlen(to), text, strlen(text) + 1);
}

static const char *parent_file(char path[64], unsigned parent, const char *name)
{
    char digits[12] = "";
    unsigned at = sizeof digits - 1;
    do
        digits[--at] = (char)('0' + parent % 10);
    while (parent /= 10);
    strcpy(path, "/proc/");
    append(path, digits + at);
    append(path, name);
    return path;
}

/* The parent is under a filter, too, and has this library in its environment: it has said the same. */
static bool parent_has_said_it(unsigned parent)
{
    static const char name[] = "libcprof.so";
    char path[64], buffer[1024];
    struct status status;
    size_t have = 0;
    bool found = false;
    long got, fd;

    if (!parent || !read_status(parent_file(path, parent, "/status"), &status) ||
        status.mode != MODE_FILTER || (fd = open_file(parent_file(path, parent, "/environ"))) < 0)
        return false;
    while (!found && (got = sys_call(SYS_read, fd, buffer + have, sizeof buffer - have)) > 0) {
        have += (size_t)got;
        found = memmem(buffer, have, name, sizeof name - 1) != NULL;
        if (have >= sizeof name) {
            memmove(buffer, buffer + have - sizeof name, sizeof name);
            have = sizeof name;
        }
    }
    sys_call(SYS_close, fd);
    return found;
}

bool inherited_filter_may_kill(char *const *environment)
{
    static const char line[] =
        "cprof: this program inherited a seccomp filter, which may kill it for what a profiler calls. It "
        "runs "
        "unprofiled; set CPROF_SECCOMP=1 if the filter is known to return errors instead\n";
    struct settings settings;
    struct status status;

    if (!read_status("/proc/self/status", &status) || status.mode != MODE_FILTER)
        return false;
    settings_read(&settings, environment, NULL, NULL);
    if (settings.value[SETTING_SECCOMP].variable)
        return !settings.value[SETTING_SECCOMP].number;
    if (is_containers(&status, environment))
        return false;
    if (settings.value[SETTING_ENABLED].number && !parent_has_said_it(status.parent))
        sys_call(SYS_write, STDERR_FILENO, line, sizeof line - 1);
    return true;
}
