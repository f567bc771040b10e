/* SPDX-License-Identifier: Apache-2.0 */
#include "read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/bytes/plain.h"
#include "analysis/tables/tables.h"
#include "find.h"
#include "parse.h"
#include "uploader/base/array.h"

int reading_add_bytes(struct reading *reading, const char *name, const uint8_t *data, size_t size)
{
    struct plain plain;
    int rc = plain_unpack(&plain, data, size);

    if (!rc && !plain.size)
        rc = reading_fail(reading, -EINVAL, "%s: the file is empty", name);
    else if (!rc)
        rc = parse_profile(reading, name, plain.data, plain.size);
    else if (rc == -EFBIG)
        reading_fail(reading, rc, "%s: it unpacks to more than %zu MiB", name, READ_PLAIN_MOST >> 20);
    else if (rc == -ENOMEM)
        reading_fail(reading, rc, "%s: not enough memory", name);
    else
        reading_fail(reading, rc, "%s: the gzipped file %s", name,
                     rc == -EPIPE ? "is cut off" : "is damaged");
    plain_free(&plain);
    return rc;
}

static int add_file(struct reading *reading, const char *path)
{
    const char *name = strcmp(path, "-") != 0 ? path : "standard input";
    struct plain file;
    int rc = plain_read(&file, path);

    if (!rc)
        rc = reading_add_bytes(reading, name, file.data, file.size);
    else if (rc == -EFBIG)
        reading_fail(reading, rc, "%s: the file has more than %zu MiB", name, READ_FILE_MOST >> 20);
    else
        reading_fail(reading, rc, "%s: cannot be read: %s", name, strerror(-rc));
    plain_free(&file);
    return rc;
}

struct adding {
    struct reading *reading;
    unsigned added;
    int bad; /* the first failure, */
    char error[READ_ERROR];
};

static int add_interval(void *context, const char *path, int64_t start_ms)
{
    struct adding *adding = context;
    struct reading *reading = adding->reading;
    struct read_profile *profile = reading->profile[adding->added];
    size_t room = profile->intervals;
    struct read_interval *grown;

    /* One at a time, seldom more than some hundreds. */
    grown = array_reserve(profile->interval, &room, profile->intervals, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    profile->interval = grown;
    profile->interval[profile->intervals++] =
        (struct read_interval){store_text(&reading->store, path, strlen(path)), start_ms};
    return 0;
}

static int add_found(void *context, const char *path, const char *program, const char *kind)
{
    struct adding *adding = context;
    int rc;

    adding->reading->program = program;
    adding->reading->kind = kind;
    rc = add_file(adding->reading, path);
    adding->reading->program = adding->reading->kind = NULL;
    adding->added += !rc;
    if (rc && !adding->bad) {
        adding->bad = rc;
        memcpy(adding->error, adding->reading->error, sizeof adding->error);
    }
    return rc == -ENOMEM ? rc : 0;
}

static int compare_intervals(const void *a, const void *b)
{
    int64_t one = ((const struct read_interval *)a)->start_ms,
            other = ((const struct read_interval *)b)->start_ms;
    return (one > other) - (one < other);
}

/* Of all profiles that the files of a session gave. */
static int list_intervals(struct reading *reading, size_t first)
{
    int rc = 0;

    for (size_t i = first; i < reading->profiles && !rc; i++) {
        struct adding adding = {.reading = reading, .added = (unsigned)i};
        struct read_profile *profile = reading->profile[i];
        rc = find_intervals(profile->path, profile->kind, add_interval, &adding);
        if (profile->intervals)
            qsort(profile->interval, profile->intervals, sizeof *profile->interval, compare_intervals);
    }
    return rc;
}

static int add_directory(struct reading *reading, const char *path)
{
    struct adding adding = {.reading = reading};
    size_t first = reading->profiles;
    int rc = find_files(path, add_found, &adding);

    if (!rc && !adding.added && adding.bad) {
        memcpy(reading->error, adding.error, sizeof reading->error);
        return adding.bad;
    }
    if (!rc && !adding.added)
        return reading_fail(
            reading, -ENODATA,
            "%s: there is no profile in this directory (PROGRAM/TYPE.pb.gz, *.pb.gz, *.pprof)", path);
    if (!rc)
        rc = list_intervals(reading, first);
    if (rc && rc != adding.bad)
        reading_fail(reading, rc, "%s: cannot be read: %s", path, strerror(-rc));
    return rc;
}

int reading_add(struct reading *reading, const char *path)
{
    struct stat st;

    if (strcmp(path, "-") != 0 && !stat(path, &st) && S_ISDIR(st.st_mode))
        return add_directory(reading, path);
    return add_file(reading, path);
}
