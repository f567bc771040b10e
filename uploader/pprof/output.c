/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"

enum {
    GZIP_LEVEL = 6,
    GZIP_WINDOW = 15 + 16, /* zlib: a gzip header instead of its own */
};

static int output_reserve(struct output *out)
{
    size_t room = out->room ? out->room + out->room / 2 : STAGE_BYTES;
    uint8_t *data;

    if (out->room - out->size >= STAGE_BYTES)
        return 0;
    if (room < out->size + STAGE_BYTES)
        room = out->size + STAGE_BYTES;
    data = realloc(out->data, room);
    if (!data)
        return out->error = -ENOMEM;
    out->data = data;
    out->room = room;
    return 0;
}

static void output_flush(struct output *out, int flush)
{
    out->zip.next_in = out->stage;
    out->zip.avail_in = (uInt)out->staged;
    do {
        size_t room;
        if (output_reserve(out))
            return;
        room = out->room - out->size;
        out->zip.next_out = out->data + out->size;
        out->zip.avail_out = (uInt)room;
        deflate(&out->zip, flush);
        out->size += room - out->zip.avail_out;
    } while (!out->zip.avail_out);
    out->staged = 0;
}

static void put(struct output *out, size_t size, const uint8_t *data)
{
    while (size && !out->error) {
        size_t part = STAGE_BYTES - out->staged < size ? STAGE_BYTES - out->staged : size;
        memcpy(out->stage + out->staged, data, part);
        out->staged += part;
        data += part;
        size -= part;
        if (out->staged == STAGE_BYTES)
            output_flush(out, Z_NO_FLUSH);
    }
}

static void output_append(ProtobufCBuffer *base, size_t size, const uint8_t *data)
{
    struct output *out = (struct output *)base;

    out->raw += size;
    put(out, size, data);
}

int output_init(struct output *out)
{
    *out = (struct output){.base.append = output_append};
    return deflateInit2(&out->zip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) ? -ENOMEM : 0;
}

int output_finish(struct output *out)
{
    if (!out->error)
        output_flush(out, Z_FINISH);
    return out->error;
}

void output_free(struct output *out)
{
    deflateEnd(&out->zip);
    free(out->data);
}

static void list_append(ProtobufCBuffer *base, size_t size, const uint8_t *data)
{
    struct output_list *list = (struct output_list *)base;
    uint8_t *grown;

    list->out->raw += size;
    grown = array_reserve(list->data, &list->room, list->size + size, 1);
    if (!grown) {
        list->out->error = -ENOMEM;
        return;
    }
    list->data = grown;
    memcpy(list->data + list->size, data, size);
    list->size += size;
}

void output_list_init(struct output_list *list, struct output *out)
{
    *list = (struct output_list){.base.append = list_append, .out = out};
}

void output_append_list(struct output *out, struct output_list *list)
{
    put(out, list->size, list->data);
    output_list_free(list);
}

void output_list_free(struct output_list *list)
{
    free(list->data);
    list->data = NULL;
    list->size = list->room = 0;
}
