/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of stacks and samples, and one sample's way into them:
 *  1. sample_begin() finds the bank.
 *  2. sample_walk() walks the stack and enters it.
 *  3. sample_add() finds the thread's labels and trace, and adds to the counters.
 *  4. sample_end() gives up the bank.
 * Lock-free, signal-safe, any thread. A signal handler may record while the thread that it interrupted does.
 */
#ifndef CPROF_SAMPLER_SAMPLE_TABLE_H
#define CPROF_SAMPLER_SAMPLE_TABLE_H

#include <stdbool.h>

#include "context.h"
#include "sampler/segment/layout.h"
#include "sampler/unwind/unwind.h"

struct sample {
    struct segment *segment;
    struct seg_bank *bank;
    struct seg_thread *thread;
    uint64_t *frames; /* a buffer of LAYOUT_FRAMES */
    uint64_t start_ticks;
    uint32_t generation;
    struct context context; /* what the calling thread works for */
    uint32_t outer;         /* bank_in_use of the sample that this one interrupted */
    unsigned buffer;
    enum sample_kind kind;
};

/* slot: the calling thread's, not 0. kind: what takes the time until sample_end(). KIND_CPU: called from a signal
   handler that no other handler can interrupt. KIND_NONE: a stack without a sample. false: it cannot be recorded,
   which is counted. After true, sample_end() must follow. */
bool sample_begin(struct sample *sample, struct segment *segment, uint32_t slot, enum sample_kind kind);
void sample_end(struct sample *sample);

/* Walks from regs and enters the stack. Its first frame is leaf unless that is WAIT_NONE. ranges as in
   unwind.h. Returns the stack's word offset in the bank, or 0 (counted). */
uint32_t sample_walk(struct sample *sample, enum wait_kind leaf, const struct arch_regs *regs,
                     const struct stack_range *ranges);

/* Adds 1, a and b to the three values of (stack, the thread's context and name, kind). If a and b are 0 it only makes
   the entry. Returns the entry's number in the bank; 0: the bank is full. sample_add_to() adds to the entry
   with that number. */
uint32_t sample_add(struct sample *sample, uint32_t stack, enum sample_kind kind, uint64_t a, uint64_t b);
void sample_add_to(struct sample *sample, uint32_t number, uint64_t a, uint64_t b);

#endif
