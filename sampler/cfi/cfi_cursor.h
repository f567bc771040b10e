/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading foreign bytes: a cursor knows its end; past it, reads give zero and mark the cursor as failed, so
 * that callers check once, when they are through. Signal-safe.
 */
#ifndef CPROF_SAMPLER_CFI_CURSOR_H
#define CPROF_SAMPLER_CFI_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cfi.h"
#include "sampler/modules/peek.h"

struct cursor {
    const uint8_t *at, *end; /* addresses, which only cursor_fixed() reads from */
    struct peek *peek;
    bool failed;
};

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline void cursor_fail(struct cursor *c)
{
    c->failed = true;
    c->at = c->end;
}

static inline uint64_t cursor_fixed(struct cursor *c, size_t size)
{
    uint64_t value = 0;
    const uint8_t *bytes = c->at;
    if (cursor_left(c) < size || (c->peek && !(bytes = peek_at(c->peek, (uintptr_t)c->at, size)))) {
        cursor_fail(c);
        return 0;
    }
    memcpy(&value, bytes, size); /* little-endian, as arch.h's machines are */
    c->at += size;
    return value;
}

static inline uint64_t cursor_signed(struct cursor *c, size_t size)
{
    unsigned shift = 64 - 8 * (unsigned)size;
    return (uint64_t)((int64_t)(cursor_fixed(c, size) << shift) >> shift);
}

static inline uint64_t cursor_leb(struct cursor *c, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = (uint8_t)cursor_fixed(c, 1);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && shift < 70);
    if (byte & 0x80)
        cursor_fail(c); /* longer than any number */
    if (is_signed && shift < 64 && (byte & 0x40))
        value |= UINT64_MAX << shift;
    return value;
}

static inline uint64_t cursor_uleb(struct cursor *c)
{
    return cursor_leb(c, false);
}

static inline int64_t cursor_sleb(struct cursor *c)
{
    return (int64_t)cursor_leb(c, true);
}

/* A cursor from an address to the memory's end. false: it is not in there. */
static inline bool cursor_at(struct cursor *c, const struct cfi_memory *memory, uint64_t address)
{
    if (address < (uintptr_t)memory->start || address >= (uintptr_t)memory->end)
        return false;
    *c = (struct cursor){
        .at = memory->start + (address - (uintptr_t)memory->start), .end = memory->end, .peek = memory->peek};
    return true;
}

#endif
