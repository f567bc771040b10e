/* SPDX-License-Identifier: Apache-2.0 */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PATH_BYTES = 4096 };

static ssize_t write_zipped(void *cookie, const char *data, size_t size)
{
    return gzwrite(cookie, data, (unsigned)size) == (int)size ? (ssize_t)size : 0;
}

static int close_zipped(void *cookie)
{
    return gzclose(cookie) == Z_OK ? 0 : -1;
}

/* A stream that compresses, over the descriptor, which it owns. */
static FILE *open_zipped(int fd)
{
    const cookie_io_functions_t functions = {.write = write_zipped, .close = close_zipped};
    gzFile file = gzdopen(fd, "wb6");
    FILE *out = file ? fopencookie(file, "w", functions) : NULL;

    if (file && !out)
        gzclose(file);
    else if (!file)
        close(fd);
    return out;
}

static FILE *open_output(const char *path, bool zipped)
{
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : dup(STDOUT_FILENO);
    FILE *out;

    if (fd < 0)
        return NULL;
    if (zipped)
        return open_zipped(fd);
    out = fdopen(fd, "w");
    if (!out)
        close(fd);
    return out;
}

static int write_pprof(FILE *out, const struct choice *choice)
{
    uint8_t *data = NULL;
    size_t size;
    int rc = pprof_encode(choice, &data, &size);

    if (!rc && fwrite(data, 1, size, out) != size)
        rc = -EIO;
    free(data);
    return rc;
}

static int write_format(FILE *out, const struct choice *choice, enum format format)
{
    switch (format) {
    case FORMAT_FOLDED:
        return folded_write(out, choice);
    case FORMAT_SPEEDSCOPE:
        return speedscope_write(out, choice);
    case FORMAT_FIREFOX:
        return firefox_write(out, choice);
    default:
        return write_pprof(out, choice);
    }
}

static int fail(const struct choice *choice, const char *path, int error)
{
    snprintf(choice->reading->error, READ_ERROR, "%.300s: cannot be written: %s",
             path ? path : "standard output", strerror(-error));
    return error;
}

static int write_file(const struct choice *choice, enum format format, const char *path)
{
    size_t length = path ? strlen(path) : 0;
    const bool zipped = format != FORMAT_PPROF && length > 3 && !strcmp(path + length - 3, ".gz");
    FILE *out = open_output(path, zipped);
    struct stat st;
    int rc;

    if (!out)
        return fail(choice, path, -errno);
    errno = 0;
    rc = write_format(out, choice, format);
    if ((fflush(out) || ferror(out)) && !rc)
        rc = errno ? -errno : -EIO;
    if (fclose(out) && !rc)
        rc = errno ? -errno : -EIO;
    if (rc && path && !stat(path, &st) && S_ISREG(st.st_mode))
        unlink(path);
    return rc ? fail(choice, path, rc) : 0;
}

/* A name out of a profile, as a name of a file. */
static void file_name(char *name, size_t size, const char *text)
{
    size_t used = 0;

    for (; *text && used + 1 < size; text++)
        name[used++] = *text == '/' || (unsigned char)*text < ' ' ? '_' : *text;
    name[used] = 0;
    if (*name == '.')
        *name = '_';
}

/* What a session writes into the directory of a program. Readers look for it, and leave out directories without it. */
static int write_mark(const char *directory, const char *program)
{
    char path[PATH_BYTES];
    FILE *out;

    snprintf(path, sizeof path, "%.4000s/.cprof", directory);
    out = fopen(path, "wxe");
    if (!out)
        return errno == EEXIST ? 0 : -errno;
    fprintf(out, "program %s\nservice %s\nlabels \n", program, program);
    return fclose(out) ? -EIO : 0;
}

/* The directory of the profile's program, which is made. */
static int make_directory(const struct choice *choice, const struct chosen *item, const char *directory,
                          char path[PATH_BYTES])
{
    char program[256];
    int rc;

    file_name(program, sizeof program, item->profile->program);
    snprintf(path, PATH_BYTES, "%.3500s/%s", directory, program);
    if (!*program)
        return 0;
    if (mkdir(path, 0777) && errno != EEXIST)
        return fail(choice, path, -errno);
    rc = write_mark(path, program);
    return rc ? fail(choice, path, rc) : 0;
}

static int write_into(const struct choice *choice, const struct chosen *item, const char *directory)
{
    struct choice one = *choice;
    char path[PATH_BYTES], kind[256];
    size_t used;
    int rc = make_directory(choice, item, directory, path);

    if (rc)
        return rc;
    file_name(kind, sizeof kind, item->profile->kind);
    used = strlen(path);
    snprintf(path + used, sizeof path - used, "/%s.pb.gz", kind);
    one.item = (struct chosen *)item;
    one.count = 1;
    return write_file(&one, FORMAT_PPROF, path);
}

int output_write(const struct choice *choice, enum format format, const char *path)
{
    struct stat st;
    int rc = 0;

    if (!path || ((stat(path, &st) || !S_ISDIR(st.st_mode)) && path[strlen(path) - 1] != '/'))
        return write_file(choice, format, path);
    if (mkdir(path, 0777) && errno != EEXIST)
        return fail(choice, path, -errno);
    for (size_t i = 0; i < choice->count && !rc; i++)
        rc = write_into(choice, &choice->item[i], path);
    return rc;
}
