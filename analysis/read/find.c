/* SPDX-License-Identifier: Apache-2.0 */
#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "analysis/tables/reading.h"

#define MARK      ".cprof"
#define INTERVALS "intervals"

struct listing {
    struct dirent **entry;
    int count;
};

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int list(const char *directory, struct listing *listing)
{
    listing->count = scandir(directory, &listing->entry, not_hidden, alphasort);
    return listing->count < 0 ? -errno : 0;
}

static void list_free(struct listing *listing)
{
    for (int i = 0; i < listing->count; i++)
        free(listing->entry[i]);
    if (listing->count >= 0)
        free(listing->entry);
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), wanted = strlen(end);
    return length > wanted && !strcmp(name + length - wanted, end);
}

static bool is_profile(const char *name)
{
    return ends_with(name, ".pb.gz") || ends_with(name, ".pprof") || ends_with(name, ".pb") ||
           ends_with(name, ".pprof.gz");
}

static bool has_mark(const char *directory)
{
    char path[FIND_PATH + 16];

    snprintf(path, sizeof path, "%s/" MARK, directory);
    return !access(path, F_OK);
}

static bool join(char path[FIND_PATH], const char *directory, const char *name)
{
    size_t length = strlen(directory);
    bool slash = length && directory[length - 1] == '/';

    return snprintf(path, FIND_PATH, "%s%s%s", directory, slash ? "" : "/", name) < FIND_PATH;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Without slashes at its end, and "." by its real name. */
static void directory_name(const char *directory, char name[FIND_PATH])
{
    char real[PATH_MAX];

    snprintf(name, FIND_PATH, "%s",
             realpath(directory, real) ? read_base_name(real) : read_base_name(directory));
}

/* The files of one directory. */
static int find_in(const char *directory, find_file *found, void *context)
{
    bool marked = has_mark(directory);
    struct listing listing;
    int rc = list(directory, &listing);
    char path[FIND_PATH], program[FIND_PATH], kind[NAME_MAX + 1];

    directory_name(directory, program);
    for (int i = 0; i < listing.count && !rc; i++) {
        const char *name = listing.entry[i]->d_name;
        if (!is_profile(name) || !join(path, directory, name) || is_directory(path))
            continue;
        snprintf(kind, sizeof kind, "%.*s", (int)strcspn(name, "."), name);
        rc = found(context, path, marked ? program : NULL, marked ? kind : NULL);
    }
    list_free(&listing);
    return rc;
}

int find_files(const char *directory, find_file *found, void *context)
{
    struct listing listing;
    int rc = list(directory, &listing);
    char path[FIND_PATH];

    for (int i = 0; i < listing.count && !rc; i++)
        if (join(path, directory, listing.entry[i]->d_name) && is_directory(path) && has_mark(path))
            rc = find_in(path, found, context);
    list_free(&listing);
    return rc ? rc : find_in(directory, found, context);
}

/* "20261129T152639.375Z" as ms since the epoch; *rest is what follows. -1: it is none. */
static int64_t read_stamp(const char *name, const char **rest)
{
    struct tm tm = {0};
    int ms, length = 0;

    if (sscanf(name, "%4d%2d%2dT%2d%2d%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &ms, &length) != 7 ||
        !length)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *rest = name + length;
    return (int64_t)timegm(&tm) * 1000 + ms;
}

int find_intervals(const char *file, const char *kind, find_interval *found, void *context)
{
    char directory[FIND_PATH], path[FIND_PATH], end[NAME_MAX + 1];
    const char *slash = strrchr(file, '/');
    struct listing listing;
    int rc;

    snprintf(end, sizeof end, "-%s.pb.gz", kind);
    if (snprintf(directory, sizeof directory, "%.*s/" INTERVALS, slash ? (int)(slash - file) : 1,
                 slash ? file : ".") >= FIND_PATH)
        return 0;
    rc = list(directory, &listing);
    for (int i = 0; i < listing.count && !rc; i++) {
        const char *name = listing.entry[i]->d_name;
        const char *rest;
        int64_t ms = read_stamp(name, &rest);
        if (ms >= 0 && !strcmp(rest, end) && join(path, directory, name))
            rc = found(context, path, ms);
    }
    list_free(&listing);
    return rc == -ENOENT ? 0 : rc;
}

static int note_file(void *context, const char *path, const char *program, const char *kind)
{
    (void)path, (void)program, (void)kind;
    *(bool *)context = true;
    return 1;
}

static bool has_files(const char *directory)
{
    bool any = false;

    find_files(directory, note_file, &any);
    return any;
}

struct finding_runs {
    find_run *found;
    void *context;
};

static int find_loose(void *context, const char *path, const char *program, const char *kind)
{
    const struct finding_runs *finding = context;

    (void)program, (void)kind;
    return finding->found(finding->context, path);
}

/* A session's files have the program's name, which others' files do not have. */
static int note_session(void *context, const char *path, const char *program, const char *kind)
{
    (void)path, (void)kind;
    *(bool *)context = program;
    return 1;
}

/* The directory has files. */
static int find_in_directory(const char *path, find_run *found, void *context)
{
    struct finding_runs finding = {found, context};
    bool is_session = false;

    find_files(path, note_session, &is_session);
    return is_session ? found(context, path) : find_files(path, find_loose, &finding);
}

int find_runs(const char *path, find_run *found, void *context)
{
    struct listing listing;
    char inner[FIND_PATH];
    int rc = 0, runs = 0;

    if (!is_directory(path))
        return found(context, path);
    if (has_files(path))
        return find_in_directory(path, found, context);
    if (list(path, &listing))
        return found(context, path);
    for (int i = 0; i < listing.count && !rc; i++)
        if (join(inner, path, listing.entry[i]->d_name) && is_directory(inner) && has_files(inner)) {
            rc = find_in_directory(inner, found, context);
            runs++;
        }
    list_free(&listing);
    return runs ? rc : found(context, path);
}
