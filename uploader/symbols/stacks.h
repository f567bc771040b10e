/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stacks of one target, named once and kept by (generation, offset in that generation's bank). Everything
 * in the segment is read as hostile input: bounds are checked on copies, text is cut and cleaned.
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

/* The stack at this offset of the bank that has this generation; where none has it (its uploader died, and
   the bank was emptied since), the one frame that says so. NULL: malformed, or no memory. */
const struct stack *stacks_get(struct stacks *stacks, uint32_t generation, uint32_t offset);

/* Before a bank is emptied: stacks_mark() each stack that is still referred to, then stacks_sweep() drops
   all others but those of the generation that goes on. */
void stacks_mark(struct stacks *stacks, uint32_t generation, uint32_t offset);
void stacks_sweep(struct stacks *stacks, uint32_t keep);

#endif
