/* SPDX-License-Identifier: Apache-2.0 */
#include "making.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/bytes/plain.h"
#include "analysis/read/find.h"
#include "analysis/read/read.h"
#include "pack.h"
#include "uploader/base/progress.h"

enum {
    MOST_BYTES = 256 << 20, /* of all files; a browser takes about twice as much memory for the page's text */
    MOST_INTERVAL_BYTES = 32 << 20, /* of these, the intervals of one side */
};

static int fail(struct making *making, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct making *making, int rc, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(making->error, sizeof making->error, format, arguments);
    va_end(arguments);
    return rc;
}

/* --- the file --- */

static int open_draft(struct making *making, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX];
    int fd, error;

    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    if (snprintf(making->name, sizeof making->name, "%s", slash ? slash + 1 : path) > NAME_MAX - 8 ||
        !*making->name)
        return fail(making, -EINVAL, "%s: not the name of a file for the page", path);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error = fd < 0 ? -errno : draft_open(&making->draft, fd, making->name);
    if (error && fd >= 0)
        close(fd);
    if (error)
        return fail(making, error, "%s: cannot be written: %s; choose another place", path, strerror(-error));
    return 0;
}

int making_open(struct making *making, const char *path, const struct page_head *head)
{
    int error = 0;

    *making = (struct making){.room = MOST_BYTES, .draft.directory = -1};
    if (!strcmp(path, "-"))
        making->draft.out = stdout;
    else
        error = open_draft(making, path);
    if (!error)
        page_begin(&making->page, head, making->draft.out);
    return error;
}

int making_close(struct making *making, int error)
{
    const bool is_file = making->draft.directory >= 0;
    FILE *out = making->draft.out;
    int written = 0;

    if (!out)
        return error;
    if (!error && making->sources)
        sources_put(making->sources, &making->page);
    if (!error)
        written = page_end(&making->page, &making->left_out);
    if (!error && !written && fflush(out))
        written = -errno;
    making->bytes = ftell(out) > 0 ? (size_t)ftell(out) : 0;
    if (is_file) {
        int directory = making->draft.directory;
        int finished = draft_finish(&making->draft, error ? error : written);
        written = written || error ? written : finished;
        close(directory);
    }
    if (!error && written)
        error = fail(making, written, "the page cannot be written: %s", strerror(-written));
    return error;
}

/* --- profiles --- */

struct adding {
    struct making *making;
    unsigned side;
    const char *program, *kind; /* as a session's names say, or NULL */
    bool is_interval;
};

static int put_file(const struct adding *adding, const struct read_profile *profile, const char *path,
                    const struct plain *file)
{
    struct making *making = adding->making;
    const char *program = adding->program ? adding->program : profile->program;
    struct page_file put = {
        .side = adding->side,
        .program = program && *program ? program : NULL,
        .kind = adding->kind ? adding->kind : profile->kind,
        .name = read_base_name(path),
        .interval = adding->is_interval,
        .data = file->data,
        .size = file->size,
    };
    void *packed = NULL;

    if (!pack_is_gzip(put.data, put.size) && !(packed = pack_gzip(put.data, put.size, &put.size)))
        return fail(making, -ENOMEM, "not enough memory");
    put.data = packed ? packed : put.data;
    if (put.size > making->room) {
        free(packed);
        return fail(making, -EFBIG, "%s: the page would be larger than %d MiB; name fewer files", path,
                    MOST_BYTES >> 20);
    }
    making->room -= put.size;
    making->files++;
    page_add(&making->page, &put);
    free(packed);
    return 0;
}

/* Reads the profile once here, so that nobody first sees in the browser that it is none. */
static int add_file(const struct adding *adding, const char *path, const struct plain *file)
{
    struct reading reading;
    int rc;

    progress_step("reading %s", path);
    reading_init(&reading);
    rc = reading_add_bytes(&reading, path, file->data, file->size);
    if (rc)
        fail(adding->making, rc, "%s", reading.error);
    else
        rc = put_file(adding, reading.profile[0], path, file);
    if (!rc && adding->making->sources && !adding->is_interval &&
        sources_note(adding->making->sources, reading.profile[0]))
        rc = fail(adding->making, -ENOMEM, "not enough memory");
    reading_free(&reading);
    return rc;
}

int making_add_bytes(struct making *making, unsigned side, const char *name, const void *data, size_t size)
{
    const struct adding adding = {.making = making, .side = side};
    const struct plain file = {.data = (uint8_t *)(uintptr_t)data, .size = size};

    return add_file(&adding, name, &file);
}

static int add_path(const struct adding *adding, const char *path)
{
    struct plain file = {0};
    int rc = plain_read(&file, path);

    if (rc == -EFBIG)
        rc = fail(adding->making, rc, "%s: larger than %zu MiB", path, READ_FILE_MOST >> 20);
    else if (rc)
        rc = fail(adding->making, rc, "%s: %s", path, strerror(-rc));
    else
        rc = add_file(adding, path, &file);
    plain_free(&file);
    return rc;
}

/* --- intervals --- */

struct found {
    char **path; /* the oldest first */
    size_t count, room;
};

static int note_interval(void *context, const char *path, int64_t start_ms)
{
    struct found *found = context;

    (void)start_ms;
    if (found->count == found->room) {
        size_t room = found->room ? 2 * found->room : 64;
        char **grown = realloc(found->path, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        found->path = grown;
        found->room = room;
    }
    found->path[found->count] = strdup(path);
    return found->path[found->count] ? (int)(found->count++, 0) : -ENOMEM;
}

static size_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (size_t)st.st_size;
}

/* The newest first, so that the oldest are left out. An interval that is damaged is passed over. */
static int put_intervals(const struct adding *adding, const struct found *found)
{
    struct making *making = adding->making;
    struct adding interval = *adding;
    int rc = 0;

    interval.is_interval = true;
    for (size_t i = found->count; i-- && !rc;) {
        size_t size = size_of(found->path[i]);
        if (size > making->interval_room || size > making->room) {
            making->left_out.intervals++;
            making->left_out.bytes += size;
            making->interval_room = 0;
            continue;
        }
        making->interval_room -= size;
        rc = add_path(&interval, found->path[i]);
        if (rc && rc != -ENOMEM) {
            making->passed_over++;
            rc = 0;
        }
    }
    return rc;
}

static int add_intervals(const struct adding *adding, const char *path)
{
    struct found found = {0};
    int rc = find_intervals(path, adding->kind, note_interval, &found);

    rc = rc ? rc : put_intervals(adding, &found);
    for (size_t i = 0; i < found.count; i++)
        free(found.path[i]);
    free(found.path);
    return rc;
}

/* A file of a directory that is no profile is passed over if another one is. */
static int add_found(void *context, const char *path, const char *program, const char *kind)
{
    struct adding adding = *(const struct adding *)context;
    int rc;

    adding.program = program;
    adding.kind = kind;
    rc = add_path(&adding, path);
    if (rc && rc != -ENOMEM && rc != -EFBIG) {
        adding.making->passed_over++;
        return 0;
    }
    if (!rc && kind)
        rc = add_intervals(&adding, path);
    return rc;
}

int making_add(struct making *making, unsigned side, const char *path)
{
    struct adding adding = {.making = making, .side = side};
    const size_t before = making->files;
    struct stat st;
    int rc;

    making->interval_room = MOST_INTERVAL_BYTES;
    if (!strcmp(path, "-") || (!stat(path, &st) && !S_ISDIR(st.st_mode)))
        return add_path(&adding, path);
    rc = find_files(path, add_found, &adding);
    if (rc && !*making->error)
        return fail(making, rc, "%s: %s", path, strerror(-rc));
    if (rc || making->files > before)
        return rc;
    if (*making->error)
        return -ENODATA;
    return fail(making, -ENODATA, "%s: no profile is in it; a profile's name ends in .pb.gz or .pprof", path);
}
