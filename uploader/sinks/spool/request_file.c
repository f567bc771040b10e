/* SPDX-License-Identifier: Apache-2.0 */
#include "request_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files of the spool are little-endian"
#endif

struct header {
    char magic[8];
    uint32_t version, crc;
    int64_t time_ns;
    uint32_t size, label_size;
};
_Static_assert(sizeof(struct header) == REQUEST_HEADER_BYTES, "the header has no gaps");

static const char magic[8] = "CPROFREQ";
enum { VERSION = 1, CRC_FROM = offsetof(struct header, time_ns) };

void request_name_write(const struct request_name *name, char text[REQUEST_NAME_BYTES])
{
    snprintf(text, REQUEST_NAME_BYTES,
             "%019" PRId64 "-%08" PRIx32 "-%08" PRIx32 "-%" PRIu32 "-%s-%08" PRIx32 "-%08" PRIx32 ".request",
             name->time_ns, name->series, name->unique, name->size, name->kind, name->destination,
             name->owner);
}

bool request_name_read(struct request_name *name, const char *text)
{
    char again[REQUEST_NAME_BYTES];

    *name = (struct request_name){0};
    if (sscanf(text, "%19" SCNd64 "-%8" SCNx32 "-%8" SCNx32 "-%9" SCNu32 "-%15[a-z]-%8" SCNx32 "-%8" SCNx32,
               &name->time_ns, &name->series, &name->unique, &name->size, name->kind, &name->destination,
               &name->owner) != 7)
        return false;
    request_name_write(name, again);
    return name->time_ns >= 0 && name->size <= REQUEST_BODY_MOST && !strcmp(again, text);
}

static uint32_t sum(const struct header *header, const uint8_t *label, const uint8_t *body)
{
    uint64_t crc = crc32(0, (const uint8_t *)header + CRC_FROM, sizeof(*header) - CRC_FROM);

    crc = crc32(crc, label, header->label_size);
    return (uint32_t)crc32(crc, body, header->size);
}

void request_file_header(const struct request_file *file, uint8_t bytes[REQUEST_HEADER_BYTES])
{
    struct header header = {
        .version = VERSION, .time_ns = file->time_ns, .size = file->size, .label_size = file->label_size};

    memcpy(header.magic, magic, sizeof(magic));
    header.crc = sum(&header, (const uint8_t *)file->label, file->body);
    memcpy(bytes, &header, sizeof(header));
}

int request_file_read(struct request_file *file, const uint8_t *data, size_t size)
{
    struct header header;
    const uint8_t *label = data + sizeof(header);

    if (size < sizeof(header))
        return -EBADMSG;
    memcpy(&header, data, sizeof(header));
    if (!memcmp(header.magic, magic, sizeof(magic)) && header.version > VERSION)
        return -EPROTONOSUPPORT;
    if (memcmp(header.magic, magic, sizeof(magic)) != 0 || header.version != VERSION ||
        header.label_size > REQUEST_LABEL_MOST || header.size > REQUEST_BODY_MOST ||
        size != sizeof(header) + header.label_size + header.size ||
        header.crc != sum(&header, label, label + header.label_size))
        return -EBADMSG;
    *file = (struct request_file){header.time_ns, (const char *)label, header.label_size,
                                  label + header.label_size, header.size};
    return 0;
}
