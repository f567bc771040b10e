/* SPDX-License-Identifier: Apache-2.0 */
// runs: 120000
/* What lies in a spool, where others may write: names, files, and the requests in them, which are split if a server
   finds them too large. The first byte says what the rest is; a profile is compressed here. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "uploader/pprof/split.h"
#include "uploader/sinks/pyroscope/split_push.h"
#include "uploader/sinks/spool/request_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUT = 16384 };

static void check(bool right)
{
    if (!right)
        abort();
}

static void read_name(const uint8_t *data, size_t size)
{
    char text[REQUEST_NAME_BYTES * 2] = "", again[REQUEST_NAME_BYTES];
    struct request_name name;

    memcpy(text, data, size < sizeof text ? size : sizeof text - 1);
    if (!request_name_read(&name, text))
        return;
    request_name_write(&name, again);
    check(!strcmp(text, again) && !strchr(text, '/'));
}

/* The checksum, which no fuzzer guesses, is put right. */
static void read_file(const uint8_t *data, size_t size)
{
    uint8_t header[REQUEST_HEADER_BYTES], *copy = malloc(size + 1);
    struct request_file file;

    memcpy(copy, data, size);
    if (size >= 16) {
        uint32_t crc = (uint32_t)crc32(0, copy + 16, (unsigned)(size - 16));
        memcpy(copy + 12, &crc, sizeof crc);
    }
    if (!request_file_read(&file, copy, size)) {
        check(file.body + file.size == copy + size && (uint8_t *)file.label + file.label_size == file.body);
        request_file_header(&file, header);
        check(!memcmp(header, copy, sizeof header));
    }
    free(copy);
}

static int drop(void *context, uint8_t *body, size_t size)
{
    *(size_t *)context += size;
    free(body);
    return 0;
}

static void split(const uint8_t *data, size_t size)
{
    uint8_t *packed = malloc(size + 1024);
    z_stream stream = {.next_in = (uint8_t *)data,
                       .avail_in = (unsigned)size,
                       .next_out = packed,
                       .avail_out = (unsigned)size + 1024};
    size_t total = 0;

    check(!deflateInit2(&stream, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) &&
          deflate(&stream, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&stream);
    profile_split(packed, stream.total_out, drop, &total);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t total = 0;

    if (!size || size > MOST_INPUT)
        return 0;
    switch (*data % 4) {
    case 0:
        read_name(data + 1, size - 1);
        break;
    case 1:
        read_file(data + 1, size - 1);
        break;
    case 2:
        push_split(data + 1, size - 1, drop, &total);
        break;
    default:
        split(data + 1, size - 1);
    }
    return 0;
}
