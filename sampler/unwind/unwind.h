/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack walks inside the target: a small evaluator of .eh_frame call frame information, with a lock-free cache
 * from address to unwind row. Code without such information is walked by frame pointers.
 *
 * Signal-safe, thread-safe, allocates nothing, takes no lock, and uses under 2 KiB of stack. System calls are
 * those of nofault.h: for what is not in the cache, and for stacks that it does not know.
 *
 * A walk never faults, whatever other threads map and unmap. What it reads, and why that is safe:
 *  - The stack that the thread runs on, from its stack pointer on, while tables lead: directly, because the
 *    thread returns there.
 *  - Any other stack, and what a guess leads to: by nofault.h.
 *  - Tables, headers and code of modules, and names that the loader has: by peek.h and nofault.h.
 */
#ifndef CPROF_SAMPLER_UNWIND_H
#define CPROF_SAMPLER_UNWIND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sampler/base/arch.h"
#include "sampler/modules/peek.h"
#include "sampler/segment/layout.h"

/* [low, high): the thread's stack and its alternate one. The one that the walk starts in is mapped from the
   stack pointer on, since the thread runs on it. low 0 and high 0: unused. */
struct stack_range {
    uintptr_t low, high;
};
enum { STACK_RANGES = 2 };

/* Where a walk begins. */
struct unwind_from {
    const struct arch_regs *regs;
    const struct stack_range *ranges; /* STACK_RANGES of them */
    struct seg_root *root;            /* the thread's; NULL: none is kept */
};

/* Room for a walk, since the stacks of signal handlers are small. Nothing is expected in it. */
struct unwind_room {
    struct peek peek;
    union {
        uint64_t stack[2 * MODULE_ROOM / 8];
        char path[MODULE_ROOM];
    };
    uint64_t at[LAYOUT_OUTER]; /* of the outermost frames: where the return address lies */
};

struct unwound {
    uint32_t frames; /* written to pc[] */
    uint32_t flags;  /* enum stack_flag of layout.h */
    uint32_t gap;    /* of STACK_DEEP: frames were cut before pc[gap] */
    uint64_t exact;  /* bit i: pc[i] is an exact address, not a return address (i < 64) */
};

/*
 * Walks outwards, leaf first. Of a stack of more than max frames it gives the innermost and, as the last
 * quarter, the outermost ones (roots.c). Frames of this library itself (hooks, samplers,
 * the start of threads) are left out, so that a stack is the one that the program would have without it. If
 * nothing else is on the stack, frames is 0. Modules that are met for the first time are recorded in
 * segment (may be NULL: not recorded).
 */
struct unwound unwind_stack(struct segment *segment, const struct unwind_from *from, struct unwind_room *room,
                            uint64_t *pc, unsigned max);

/* In a child of fork(). */
void unwind_forget(void);

/* Once, before the first walk, outside signal handlers: looks up what needs the loader (_dl_find_object by
   dlsym, own address range). */
void unwind_start(void);

/* Prefetches the cached rows of these addresses, before a walk that is likely to need them. In a busy program
   each is a cache miss, and the walk alone would meet these one after another. */
void unwind_prefetch(const uint64_t *pc, unsigned frames);

#endif
