/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A finished request as a file of the spool, and its name. Nothing secret is in it: headers with logins are added when
 * it is sent. Files are read as if a stranger had written them. Pure.
 *
 * A name: TIME-SERIES-UNIQUE-SIZE-KIND-DESTINATION-OWNER.request, e.g.
 *     1796040000123456789-5f3a9c01-0000002a-2345-pyroscope-1a2b3c4d-7c21aa00.request
 * TIME in ns since 1970, 19 digits, so that names sort by it; SIZE of the body in bytes; the others 8 hex digits.
 *
 * A file, little-endian: "CPROFREQ", u32 version, u32 CRC-32 of all that follows it, u64 time in ns, u32 size of the
 * body, u32 size of the label, the label, the body.
 */
#ifndef CPROF_UPLOADER_REQUEST_FILE_H
#define CPROF_UPLOADER_REQUEST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REQUEST_HEADER_BYTES = 32,
    REQUEST_LABEL_MOST = 255,
    REQUEST_BODY_MOST = 64 << 20,
    REQUEST_NAME_BYTES = 128,
    REQUEST_KIND_BYTES = 16,
};

struct request_name {
    int64_t time_ns; /* CLOCK_REALTIME */
    uint32_t series, unique, size;
    char kind[REQUEST_KIND_BYTES];
    uint32_t destination, owner;
};

void request_name_write(const struct request_name *name, char text[REQUEST_NAME_BYTES]);

/* false: it is no name of ours, or not written as request_name_write() does. */
bool request_name_read(struct request_name *name, const char *text);

struct request_file {
    int64_t time_ns;
    const char *label; /* not terminated */
    uint32_t label_size;
    const uint8_t *body;
    uint32_t size;
};

/* The header of a file; label and body follow it. */
void request_file_header(const struct request_file *file, uint8_t header[REQUEST_HEADER_BYTES]);

/* Points into data. 0, or -EBADMSG: it is cut, damaged or no such file; -EPROTONOSUPPORT: of another version. */
int request_file_read(struct request_file *file, const uint8_t *data, size_t size);

#endif
