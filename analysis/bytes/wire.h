/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a protobuf message, one after the other, in foreign bytes. Nothing is copied. Pure. */
#ifndef CPROF_ANALYSIS_WIRE_H
#define CPROF_ANALYSIS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is left of a message, or of a list of packed numbers. */
struct wire {
    const uint8_t *at, *end;
    bool broken; /* it ended inside a field, or a field makes no sense */
};

struct wire_field {
    uint32_t number;
    bool is_bytes;      /* else a number */
    uint64_t value;     /* of a number */
    struct wire nested; /* of bytes */
};

/* false: the end, or wire.broken. */
bool wire_next(struct wire *wire, struct wire_field *field);

/* Numbers of a repeated field, which may be packed or not: each call gives one of the field's. false: no more. */
bool wire_number(struct wire_field *field, uint64_t *value);

/* One number of a packed list. The caller knows that some bytes are left. */
static inline uint64_t wire_varint(struct wire *wire)
{
    uint64_t value = 0;

    for (unsigned shift = 0; wire->at < wire->end && shift < 64; shift += 7) {
        uint8_t byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    wire->broken = true;
    wire->at = wire->end;
    return 0;
}

#endif
