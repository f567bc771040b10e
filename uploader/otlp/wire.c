/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_DELIMITED = 2, FIRST_ROOM = 4096 };

static void append(ProtobufCBuffer *base, size_t size, const uint8_t *bytes)
{
    struct wire *wire = (struct wire *)base;

    if (wire->room - wire->size < size) {
        size_t room = wire->room ? 2 * wire->room : FIRST_ROOM;
        uint8_t *data;
        while (room - wire->size < size)
            room *= 2;
        data = realloc(wire->data, room);
        if (!data) {
            wire->error = -ENOMEM;
            return;
        }
        wire->data = data;
        wire->room = room;
    }
    if (size)
        memcpy(wire->data + wire->size, bytes, size);
    wire->size += size;
}

static void append_number(struct wire *wire, uint64_t number)
{
    uint8_t bytes[10];
    size_t size = 0;

    for (; number >= 0x80; number >>= 7)
        bytes[size++] = (uint8_t)(number | 0x80);
    bytes[size++] = (uint8_t)number;
    append(&wire->base, size, bytes);
}

static void append_head(struct wire *wire, unsigned number, size_t size)
{
    append_number(wire, number << 3 | LENGTH_DELIMITED);
    append_number(wire, size);
}

void wire_field(struct wire *wire, unsigned number, const void *bytes, size_t size)
{
    append_head(wire, number, size);
    append(&wire->base, size, bytes);
}

void wire_message(struct wire *wire, unsigned number, const ProtobufCMessage *message)
{
    append_head(wire, number, protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack_to_buffer(message, &wire->base);
}

void wire_init(struct wire *wire)
{
    *wire = (struct wire){.base.append = append};
}

void wire_free(struct wire *wire)
{
    free(wire->data);
    wire_init(wire);
}

void wire_clear(struct wire *wire)
{
    wire->size = 0;
}
