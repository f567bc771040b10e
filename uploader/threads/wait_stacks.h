/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stacks in which threads of one target wait, unwound from outside. Each is kept once, and named when it is first
 * handed on. One thread only.
 */
#ifndef CPROF_UPLOADER_WAIT_STACKS_H
#define CPROF_UPLOADER_WAIT_STACKS_H

#include "uploader/symbols/stacks.h"
#include "uploader/unwind/unwind.h"

struct wait_stack {
    const char *leaf; /* interned: the hooked function, or "[blocked: futex]" */
    bool truncated, checkable;
    bool marked;                  /* by wait_stacks_mark(), until the next wait_stacks_sweep() */
    struct stack *named;          /* NULL: not yet */
    uint32_t frames, gap;         /* as in struct unwound */
    struct unwound_frame frame[]; /* sp: above that of frame[0] */
};

struct wait_stacks;

/* Borrowed: both. NULL: no memory. */
struct wait_stacks *wait_stacks_new(struct symbols *symbols, const struct process_files *source);
void wait_stacks_free(struct wait_stacks *waits);

/* The one stack of this leaf and these frames. unwound NULL, or too many frames in all: the leaf alone. NULL: no memory, or
   too many stacks. */
struct wait_stack *wait_stacks_intern(struct wait_stacks *waits, const char *leaf,
                                      const struct unwound *unwound);

/* The same frames below another leaf. */
struct wait_stack *wait_stacks_below(struct wait_stacks *waits, const char *leaf,
                                     const struct wait_stack *stack);

/* Its frames with names, without those of libcprof.so. NULL: no memory. */
const struct stack *wait_stacks_name(struct wait_stacks *waits, struct wait_stack *stack);

/* The sweep frees stacks that were not marked since the last one. */
void wait_stacks_mark(struct wait_stack *stack);
void wait_stacks_sweep(struct wait_stacks *waits);

#endif
