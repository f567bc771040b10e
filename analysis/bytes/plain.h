/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a file that somebody names, unpacked if they are gzipped. Any thread. */
#ifndef CPROF_ANALYSIS_PLAIN_H
#define CPROF_ANALYSIS_PLAIN_H

#include <stddef.h>
#include <stdint.h>

/* What a file, and what it unpacks to, may have at most. */
#define READ_FILE_MOST  ((size_t)256 << 20)
#define READ_PLAIN_MOST ((size_t)512 << 20)

/* Pages, for plain_free(). */
struct plain {
    uint8_t *data;
    size_t size, room;
};

/* The file as it is; "-" is standard input. 0; -EFBIG above READ_FILE_MOST; or another negative errno. */
int plain_read(struct plain *plain, const char *path);

/* What these bytes unpack to, or a copy if they are not gzipped. Several gzip members in a row are one. 0; -EFBIG above
   READ_PLAIN_MOST; -EPIPE: they end early; -EILSEQ: they are damaged; -ENOMEM. */
int plain_unpack(struct plain *plain, const uint8_t *data, size_t size);

void plain_free(struct plain *plain);

#endif
