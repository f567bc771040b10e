/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "uploader/pprof/output.h"

enum { GZIP_WINDOW = 15 + 16 /* zlib: a gzip header instead of its own */ };

int body_pack(const uint8_t *data, size_t size, uint8_t **packed, size_t *packed_size)
{
    struct output out;
    int error = output_init(&out);

    if (error)
        return error;
    out.base.append(&out.base, size, data);
    error = output_finish(&out);
    if (!error) {
        *packed = out.data;
        *packed_size = out.size;
        out.data = NULL;
    }
    output_free(&out);
    return error;
}

bool body_is_packed(const uint8_t *body, size_t size)
{
    return size > 2 && body[0] == 0x1f && body[1] == 0x8b;
}

/* zip is at the beginning. Twice as much room until all of it fits. */
static int unpack(z_stream *zip, uint8_t **data, size_t *data_size)
{
    size_t room = 4 * (size_t)zip->avail_in + 1024, used = 0;
    uint8_t *to = NULL, *grown;
    int result = Z_OK;

    while (result == Z_OK && used < BODY_MOST && (grown = realloc(to, room))) {
        to = grown;
        zip->next_out = to + used;
        zip->avail_out = (uInt)(room - used);
        result = inflate(zip, Z_NO_FLUSH);
        used = room - zip->avail_out;
        if (result == Z_OK && zip->avail_out)
            result = Z_DATA_ERROR; /* it ends early */
        room *= 2;
    }
    if (result == Z_STREAM_END) {
        *data = to;
        *data_size = used;
        return 0;
    }
    free(to);
    return result != Z_OK ? -EINVAL : used >= BODY_MOST ? -E2BIG : -ENOMEM;
}

int body_unpack(const uint8_t *body, size_t size, uint8_t **data, size_t *data_size)
{
    z_stream zip = {.next_in = (Bytef *)(uintptr_t)body, .avail_in = (uInt)size};
    int error;

    if (size > BODY_MOST)
        return -E2BIG;
    if (inflateInit2(&zip, GZIP_WINDOW) != Z_OK)
        return -ENOMEM;
    error = unpack(&zip, data, data_size);
    inflateEnd(&zip);
    return error;
}
