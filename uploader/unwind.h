/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack of a thread that stands still, from outside: its registers come from the segment, its stack by
 * one process_vm_readv(), its call frame information from the files. The thread is not stopped and notices
 * nothing; whether it stood still is for the caller to check, after each copy. One thread only.
 */
#ifndef CPROF_UPLOADER_UNWIND_H
#define CPROF_UPLOADER_UNWIND_H

#include "../sampler/layout.h"
#include "maps.h"

struct unwinder;

/* One frame. pc: the address itself for the first frame, else the return address. */
struct unwound_frame {
    uint64_t pc, sp; /* sp: before the call returned from; the return address is below it */
    const struct symbol_module *module;
    uint64_t address; /* ELF virtual address to name; pc where there is no module */
    bool ours;
};
struct unwound {
    uint32_t frames;
    bool truncated; /* the walk ended before the thread's first function */
    bool checkable; /* every return address lies below its frame's sp */
    bool reread;    /* the copy was not enough: the stack was read again during the walk */
    struct unwound_frame frame[LAYOUT_FRAMES];
};

/* source and symbols are borrowed. NULL: no memory. */
struct unwinder *unwinder_new(pid_t pid, const struct symbol_source *source, struct symbols *symbols);
void unwinder_free(struct unwinder *unwinder);

/* The process may have loaded or unloaded something: mappings are read again before the next walk. */
void unwinder_refresh(struct unwinder *unwinder);

/* Copies the stack from regs' sp on. 0 or negative errno: -EPERM, -ESRCH, -EFAULT. */
int unwinder_copy(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], size_t size);

/* What is in the process's memory now. false: it cannot be read. */
bool unwinder_read(const struct unwinder *unwinder, uint64_t address, void *to, size_t size);

/* What is at an address of the last copy. */
bool unwinder_word(const struct unwinder *unwinder, uint64_t address, uint64_t *word);

/* Walks the last copy. */
void unwinder_walk(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], struct unwound *unwound);

#endif
