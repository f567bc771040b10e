/* SPDX-License-Identifier: Apache-2.0 */
#include "plain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, GZIP_RATIO = 1040 };

/* Address space, of which only what is written to takes memory. */
static int plain_reserve(struct plain *plain, size_t room)
{
    void *pages =
        mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    *plain = (struct plain){.data = NULL};
    if (pages == MAP_FAILED)
        return -ENOMEM;
    plain->data = pages;
    plain->room = room;
    return 0;
}

void plain_free(struct plain *plain)
{
    if (plain->data)
        munmap(plain->data, plain->room);
    *plain = (struct plain){.data = NULL};
}

static int read_all(struct plain *plain, int fd)
{
    for (;;) {
        ssize_t got = read(fd, plain->data + plain->size, plain->room - plain->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? -errno : 0;
        plain->size += (size_t)got;
        if (plain->size == plain->room)
            return -EFBIG;
    }
}

int plain_read(struct plain *plain, const char *path)
{
    bool is_input = !strcmp(path, "-");
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    size_t room = READ_FILE_MOST + 1;
    struct stat st;
    int rc;

    *plain = (struct plain){.data = NULL};
    if (fd < 0)
        return -errno;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode))
        room = st.st_size < (off_t)READ_FILE_MOST ? (size_t)st.st_size + 1 : READ_FILE_MOST + 1;
    rc = plain_reserve(plain, room);
    if (!rc)
        rc = read_all(plain, fd);
    if (!is_input)
        close(fd);
    return rc;
}

/* One call of inflate(), and what follows a member that ends. */
static int inflate_some(z_stream *stream, struct plain *plain)
{
    int result;

    stream->next_out = plain->data + plain->size;
    stream->avail_out = (unsigned)(plain->room - plain->size);
    result = inflate(stream, Z_NO_FLUSH);
    plain->size = plain->room - stream->avail_out;
    if (result == Z_STREAM_END) {
        /* What follows and is no member, such as padding, is left out, as gzip does. */
        if (stream->avail_in < 2 || stream->next_in[0] != 0x1f || stream->next_in[1] != 0x8b)
            return Z_STREAM_END;
        return inflateReset(stream);
    }
    return result;
}

static int unpack(struct plain *plain, const uint8_t *data, size_t size)
{
    z_stream stream = {.next_in = (uint8_t *)data, .avail_in = (unsigned)size};
    int result = inflateInit2(&stream, GZIP_WINDOW);

    while (result == Z_OK && plain->size < plain->room)
        result = inflate_some(&stream, plain);
    inflateEnd(&stream);
    if (result == Z_STREAM_END && plain->size < plain->room)
        return 0;
    if (plain->size >= plain->room)
        return -EFBIG;
    return result == Z_BUF_ERROR ? -EPIPE : result == Z_MEM_ERROR ? -ENOMEM : -EILSEQ;
}

int plain_unpack(struct plain *plain, const uint8_t *data, size_t size)
{
    bool gzipped = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
    size_t room = size < READ_PLAIN_MOST / GZIP_RATIO ? size * GZIP_RATIO + 4096 : READ_PLAIN_MOST;
    int rc;

    if (!gzipped && size > READ_PLAIN_MOST)
        return -EFBIG;
    rc = plain_reserve(plain, gzipped ? room + 1 : size + 1);
    if (rc)
        return rc;
    if (gzipped)
        return unpack(plain, data, size);
    if (size) /* data may be NULL */
        memcpy(plain->data, data, size);
    plain->size = size;
    return 0;
}
