/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uploader/base/array.h"

int source_open(struct source *source, const char *path)
{
    int fd = !strcmp(path, "-") ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

    *source = (struct source){.name = strcmp(path, "-") != 0 ? path : "standard input", .line = 1};
    if (fd < 0)
        return -errno;
    source->own = malloc(SOURCE_PIECE);
    source->file = gzdopen(fd, "rb"); /* passes through what is not gzipped */
    if (!source->own || !source->file) {
        if (!source->file)
            close(fd);
        source_close(source);
        return -ENOMEM;
    }
    source->piece = source->own;
    source_fill(source);
    return source->error;
}

void source_open_bytes(struct source *source, const char *name, const uint8_t *data, size_t size)
{
    *source = (struct source){.name = name, .piece = data, .end = size, .line = 1};
}

void source_close(struct source *source)
{
    if (source->file)
        gzclose(source->file);
    free(source->own);
    source->file = NULL;
    source->own = NULL;
}

/* zlib says Z_ERRNO for the kernel's errors, and something else for damaged or cut data. */
static int read_error(struct source *source)
{
    int error = Z_OK;

    gzerror(source->file, &error);
    if (error == Z_OK)
        return 0;
    if (error == Z_ERRNO)
        return errno ? -errno : -EIO;
    return error == Z_BUF_ERROR ? -EPIPE : -EILSEQ;
}

bool source_fill(struct source *source)
{
    int got;

    if (!source->file || source->error)
        return false;
    source->total += source->end;
    source->at = source->end = 0;
    if (source->total >= SOURCE_MOST) {
        source->error = -EFBIG;
        return false;
    }
    got = gzread(source->file, source->own, SOURCE_PIECE);
    if (got <= 0)
        source->error = read_error(source);
    source->end = got > 0 ? (size_t)got : 0;
    return got > 0;
}

long source_line(struct source *source, char *line, size_t size)
{
    size_t used = 0;
    int byte = source_take(source);

    if (byte < 0)
        return -1;
    for (; byte >= 0 && byte != '\n'; byte = source_take(source))
        if (used + 1 < size)
            line[used++] = byte ? (char)byte : '?';
    if (used && line[used - 1] == '\r')
        used--;
    line[used] = 0;
    return (long)used;
}

int source_rest(struct source *source, uint8_t **data, size_t *size)
{
    size_t room = 0;

    *data = NULL;
    *size = 0;
    while (source_peek(source) >= 0) {
        size_t piece = source->end - source->at;
        uint8_t *grown = array_reserve(*data, &room, *size + piece, 1);
        if (!grown) {
            free(*data);
            *data = NULL;
            return -ENOMEM;
        }
        *data = grown;
        memcpy(*data + *size, source->piece + source->at, piece);
        *size += piece;
        source->at = source->end;
    }
    return source->error;
}
