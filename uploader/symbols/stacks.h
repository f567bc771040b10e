/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stacks of one target. Each is named once and kept by generation and offset in that generation's bank. The segment
 * is hostile input: bounds are checked on copies, and text is cut and cleaned. One thread only.
 */
#ifndef CPROF_UPLOADER_STACKS_H
#define CPROF_UPLOADER_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"
#include "symbols.h"

struct stack {
    uint32_t generation;
    uint32_t frames;
    bool marked;                           /* by stacks_mark(), until the next stacks_sweep() */
    const struct symbol_location *frame[]; /* leaf first */
};

struct stacks;

/* segment, symbols and source are borrowed; the source's descriptors may become -1 later. */
struct stacks *stacks_new(struct segment *segment, struct symbols *symbols,
                          const struct process_files *source);
void stacks_free(struct stacks *stacks);

/* The stack at this offset of the bank with this generation. If no bank has it, because its uploader died and the bank was
   emptied since, one frame that says so. NULL: malformed, or no memory. */
const struct stack *stacks_get(struct stacks *stacks, uint32_t generation, uint32_t offset);

/* Reads which modules have come. Called often while the process lives: a file without a path goes with it. */
void stacks_look(struct stacks *stacks);

/* The code at this address of the process, as its modules are now. NULL: in none. */
const struct symbol_location *stacks_locate(struct stacks *stacks, uint64_t address);

/* Before a bank is emptied, stacks_mark() marks each stack that is still referred to. Then stacks_sweep() drops all others,
   except those of the generation to keep. */
void stacks_mark(struct stacks *stacks, uint32_t generation, uint32_t offset);
void stacks_sweep(struct stacks *stacks, uint32_t keep);

#endif
