/* SPDX-License-Identifier: Apache-2.0 */
/* Reads back what the encoder compressed. */
#ifndef CPROF_TEST_GUNZIP_H
#define CPROF_TEST_GUNZIP_H

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

/* The bytes in a gzip file that is one whole member; the caller frees them. NULL if it is none. */
static inline uint8_t *gunzip(const uint8_t *data, size_t size, size_t *plain_size)
{
    z_stream zip = {.next_in = (uint8_t *)data, .avail_in = (uInt)size};
    uint8_t *plain = NULL;
    size_t room = 0;
    int status = inflateInit2(&zip, 15 + 16);

    while (status == Z_OK || (status == Z_BUF_ERROR && !zip.avail_out)) {
        uint8_t *larger = realloc(plain, room += 65536 + room);
        if (!larger)
            abort();
        plain = larger;
        zip.next_out = plain + zip.total_out;
        zip.avail_out = (uInt)(room - zip.total_out);
        status = inflate(&zip, Z_FINISH);
    }
    *plain_size = zip.total_out;
    inflateEnd(&zip);
    if (status == Z_STREAM_END && !zip.avail_in)
        return plain;
    free(plain);
    return NULL;
}

#endif
