/* SPDX-License-Identifier: Apache-2.0 */
#include "pack.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

enum { GZIP = 16 }; /* added to the window's size */

bool pack_is_gzip(const void *data, size_t size)
{
    const uint8_t *byte = data;

    return size > 2 && byte[0] == 0x1f && byte[1] == 0x8b;
}

void *pack_gzip(const void *data, size_t size, size_t *packed_size)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size};
    void *packed = NULL;
    size_t room;

    if (size > UINT32_MAX / 2 || deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP, 8,
                                              Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    room = deflateBound(&stream, (uLong)size);
    packed = malloc(room);
    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    if (packed && deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        free(packed);
        packed = NULL;
    }
    *packed_size = stream.total_out;
    deflateEnd(&stream);
    return packed;
}
