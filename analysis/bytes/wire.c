/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static bool fixed(struct wire *wire, size_t size, uint64_t *value)
{
    *value = 0;
    if ((size_t)(wire->end - wire->at) < size)
        return false;
    memcpy(value, wire->at, size);
    wire->at += size;
    return true;
}

bool wire_next(struct wire *wire, struct wire_field *field)
{
    uint64_t tag, length;
    bool good = true;

    if (wire->at >= wire->end)
        return false;
    tag = wire_varint(wire);
    *field = (struct wire_field){.number = (uint32_t)(tag >> 3), .is_bytes = (tag & 7) == BYTES};
    switch (tag & 7) {
    case VARINT:
        good = wire->at < wire->end;
        field->value = wire_varint(wire);
        break;
    case FIXED64:
        good = fixed(wire, 8, &field->value);
        break;
    case FIXED32:
        good = fixed(wire, 4, &field->value);
        break;
    case BYTES:
        length = wire_varint(wire);
        good = !wire->broken && length <= (size_t)(wire->end - wire->at);
        if (good)
            field->nested = (struct wire){.at = wire->at, .end = wire->at + length};
        wire->at += good ? length : 0;
        break;
    default:
        good = false;
    }
    if (!good || !field->number || tag >> 3 > UINT32_MAX)
        wire->broken = true;
    return !wire->broken;
}

bool wire_number(struct wire_field *field, uint64_t *value)
{
    if (field->is_bytes) {
        if (field->nested.at >= field->nested.end)
            return false;
        *value = wire_varint(&field->nested);
        return !field->nested.broken;
    }
    *value = field->value;
    field->is_bytes = true; /* with nothing in it */
    return true;
}
