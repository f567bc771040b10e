/* SPDX-License-Identifier: Apache-2.0 */
/* Thread slots of the segment, the private state that goes with them, thread names. Lock-free, signal-safe.
 */
#ifndef CPROF_SAMPLER_SLOTS_H
#define CPROF_SAMPLER_SLOTS_H

#include <stdint.h>

#include "layout.h"

/* What the segment must not hold: pointers, and what a hostile uploader must not change. Written by the
   slot's owner (its creator before it runs). */
struct slot_private {
    void *(*start)(void *);
    void *arg;
    uintptr_t stack_low, stack_high;
    uint32_t period_ns;    /* of its CPU timer */
    _Atomic int32_t timer; /* 1 + timer id; 0: none */
    _Atomic int32_t tid;
    _Atomic uint32_t taken; /* in this life of the process (slots_forget()); slots.c only */
};
extern struct slot_private slot_private[LAYOUT_THREADS] __attribute__((visibility("hidden")));

/* A free slot, or 0 (counted). Its fields are what the last owner left, tid 0. */
uint32_t slot_take(struct segment *segment);
void slot_give_back(struct segment *segment, uint32_t slot);

/* After fork: no slot is taken. */
void slots_forget(void);

/* The index of a thread name (16 bytes, NUL-padded) in names[]; 0 when there are too many (counted). */
uint32_t name_index(struct segment *segment, const char text[16]);

#endif
