/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sample: find the bank, walk the stack, enter both tables, add. Lock-free, signal-safe, any thread; a
 * signal handler may record while the thread it interrupted does.
 */
#ifndef CPROF_SAMPLER_RECORD_H
#define CPROF_SAMPLER_RECORD_H

#include <stdbool.h>

#include "sampler/segment/layout.h"
#include "sampler/unwind/unwind.h"

struct record {
    struct segment *segment;
    struct seg_bank *bank;
    struct seg_thread *thread;
    uint64_t *frames; /* a buffer of LAYOUT_FRAMES */
    uint64_t start_ticks;
    uint32_t generation;
    uint32_t outer; /* bank_in_use of the sample that this one interrupted */
    unsigned buffer;
};

/* slot: the calling thread's, not 0. in_handler: entered from a signal handler that no other one can
   interrupt. false: cannot be recorded, and counted. Every true is followed by record_end(). */
bool record_begin(struct record *record, struct segment *segment, uint32_t slot, bool in_handler);
void record_end(struct record *record, bool in_handler);

/* Walks from regs and enters the stack, with leaf as its first frame if that is not WAIT_NONE; ranges as in
   unwind.h. Its word offset in the bank, or 0 (counted). */
uint32_t record_stack(struct record *record, enum wait_kind leaf, const struct arch_regs *regs,
                      const struct stack_range *ranges);

/* Adds 1, a and b to the three values of (stack, the thread's name, kind), unless both are 0: then it only
   has a place. Returns its number in the bank; 0: that is full. record_add_to() adds to the one with that
   number. */
uint32_t record_add(struct record *record, uint32_t stack, enum sample_kind kind, uint64_t a, uint64_t b);
void record_add_to(struct record *record, uint32_t sample, uint64_t a, uint64_t b);

#endif
