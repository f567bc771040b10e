/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are put together piece by piece: the fields of one are appended to its bytes, which become a field of
 * another. One thread only. */
#ifndef CPROF_UPLOADER_WIRE_H
#define CPROF_UPLOADER_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* protobuf-c packs into it by `base`. */
struct wire {
    ProtobufCBuffer base;
    uint8_t *data; /* malloc'ed; whoever takes it sets NULL, and size and room to 0 */
    size_t size, room;
    int error; /* -ENOMEM, kept: then bytes are missing */
};

void wire_init(struct wire *wire);
void wire_free(struct wire *wire);

/* Appends bytes as the field of this number. */
void wire_field(struct wire *wire, unsigned number, const void *bytes, size_t size);

/* The same, of a message. */
void wire_message(struct wire *wire, unsigned number, const ProtobufCMessage *message);

/* Everything that was appended is forgotten, and its room is kept. */
void wire_clear(struct wire *wire);

#endif
