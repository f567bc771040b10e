/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack walks inside the target: a small evaluator of .eh_frame call frame information with a lock-free cache
 * from address to unwind row, frame pointers where there is no such information.
 *
 * Signal-safe, thread-safe, allocates nothing, takes no lock, makes no system call but where unwind.c says so
 * (a stack of unknown bounds), and uses under 2 KiB of stack.
 */
#ifndef CPROF_SAMPLER_UNWIND_H
#define CPROF_SAMPLER_UNWIND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch.h"

struct segment;

/* Memory that the walk may read: [low, high). A walk starts in the range that holds its stack pointer and may
   go on into another one across a signal frame (alternate stack to thread stack). low 0 and high 0: unused.
 */
struct stack_range {
    uintptr_t low, high;
};
enum { STACK_RANGES = 3 };

struct unwound {
    uint32_t frames; /* written to pc[] */
    uint32_t flags;  /* enum stack_flag of layout.h */
    uint64_t exact;  /* bit i: pc[i] is an exact address, not a return address (i < 64) */
};

/*
 * Walks from regs outwards, leaf first, at most max frames. Frames of this library itself (hooks, samplers,
 * the start of threads) are left out, so that a stack is the one that the program would have without it;
 * where nothing else is on the stack, frames is 0. Modules that are met for the first time are recorded in
 * segment (may be NULL: not recorded).
 */
struct unwound unwind_stack(struct segment *segment, const struct arch_regs *regs,
                            const struct stack_range ranges[STACK_RANGES], uint64_t *pc, unsigned max);

/* Forgets every cached row and recorded module: after dlclose, and when the segment was replaced (fork). */
void unwind_forget(void);

/* Once, before the first walk, outside signal handlers: looks up what needs the loader (_dl_find_object by
   dlsym, own address range). */
void unwind_start(void);

/* Asks for the cached rows of these addresses at once, before a walk that is likely to need them: a walk
   itself meets them one behind the other, each a miss of the cache where the program is busy. */
void unwind_prefetch(const uint64_t *pc, unsigned frames);

#endif
