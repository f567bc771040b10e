/* SPDX-License-Identifier: Apache-2.0 */
#include "gunzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16 };

int gunzip_all(const uint8_t *data, size_t size, size_t most, uint8_t **to, size_t *used)
{
    z_stream stream = {.next_in = (uint8_t *)data, .avail_in = (unsigned)size};
    size_t room = 4 * size + 4096;
    int result = inflateInit2(&stream, GZIP_WINDOW);

    *to = NULL;
    *used = 0;
    while (result == Z_OK) {
        uint8_t *grown = *used < most ? realloc(*to, room) : NULL;
        if (!grown)
            break;
        *to = grown;
        stream.next_out = *to + *used;
        stream.avail_out = (unsigned)(room - *used);
        result = inflate(&stream, Z_NO_FLUSH);
        *used = room - stream.avail_out;
        room *= 2;
    }
    inflateEnd(&stream);
    return result == Z_STREAM_END ? 0 : -EINVAL;
}
