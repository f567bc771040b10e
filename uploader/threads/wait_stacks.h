/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stacks that threads of one target wait in, as they were unwound from outside, each kept once and named
 * when it is first handed on. One thread only.
 */
#ifndef CPROF_UPLOADER_WAITS_H
#define CPROF_UPLOADER_WAITS_H

#include "unwind.h"
#include "uploader/symbols/stacks.h"

struct wait_stack {
    const char *leaf; /* interned: the hooked function, or "[blocked: futex]" */
    bool truncated, checkable;
    bool used;           /* by waits_use(), until the next waits_sweep() */
    struct stack *named; /* NULL: not yet */
    uint32_t frames;
    struct unwound_frame frame[]; /* sp: above that of frame[0] */
};

struct waits;

/* Borrowed: both. NULL: no memory. */
struct waits *waits_new(struct symbols *symbols, const struct process_files *source);
void waits_free(struct waits *waits);

/* The one stack of this leaf and these frames; unwound NULL, or too many frames in all: the leaf alone. NULL:
   no memory, or too many. */
struct wait_stack *waits_intern(struct waits *waits, const char *leaf, const struct unwound *unwound);

/* The same frames below another leaf. */
struct wait_stack *waits_below(struct waits *waits, const char *leaf, const struct wait_stack *stack);

/* Its frames with names, those of our library left out. NULL: no memory. */
const struct stack *waits_name(struct waits *waits, struct wait_stack *stack);

/* Frees what was not used since the last time. */
void waits_use(struct wait_stack *stack);
void waits_sweep(struct waits *waits);

#endif
