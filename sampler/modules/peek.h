/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a module: tables, headers and code. dlclose() or a truncation of the file may take them away at
 * any time. They are read by nofault_read(), in blocks that are kept for all threads while the module
 * stays. If that is not available, modules that the program was started with are read directly, and others
 * cannot be read. Signal-safe, thread-safe, lock-free: a reader copies what it needs out of a block, then
 * checks that the block is still the same.
 */
#ifndef CPROF_SAMPLER_PEEK_H
#define CPROF_SAMPLER_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modules.h"
#include "sampler/segment/layout.h"

enum { PEEK_WINDOW = 256 };

/* What one walk reads of one module. */
struct peek {
    struct module module;
    uintptr_t start; /* bytes[] are from here on */
    unsigned size;
    bool failed; /* something inside of the module could not be read */
    bool widely; /* searching a table that all walks search: whole pages are kept */
    uint8_t bytes[PEEK_WINDOW];
};

static inline void peek_begin(struct peek *peek, const struct module *module)
{
    peek->module = *module;
    peek->size = 0;
    peek->failed = peek->widely = false;
}

/* From here on blocks are kept in this segment; NULL: nowhere. */
void peek_keep(struct segment *segment);

const uint8_t *peek_load(struct peek *peek, uintptr_t address, size_t size);

/* size bytes (PEEK_WINDOW at most) at address, good until the next peek_at(). NULL: not in the module, or
   cannot be read. */
static inline const uint8_t *peek_at(struct peek *peek, uintptr_t address, size_t size)
{
    uintptr_t from = address - peek->start;
    if (__builtin_expect(from < peek->size && size <= peek->size - from, 1))
        return peek->bytes + from;
    return peek_load(peek, address, size);
}

#endif
