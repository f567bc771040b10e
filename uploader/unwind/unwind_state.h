/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files behind unwind.h share. unwind_memory.c reads the process's memory. unwind_cfi.c gives libunwind what it
 * asks for. unwind_no_cfi.c steps through code without call frame information. unwind.c walks. One thread only.
 */
#ifndef CPROF_UPLOADER_UNWIND_STATE_H
#define CPROF_UPLOADER_UNWIND_STATE_H

#include <libunwind.h>

#include "unwind.h"

enum {
    UNWIND_PAGE = 4096,
    COPY_STEP = 16 * 1024, /* what a walk that needs more of a stack adds at a time */
    COPY_LONGEST = 1024 * 1024,
    SAMPLES_KNOWN = 20, /* for so many samples, the mapping above a stack of unknown bounds is believed */
};

/* In the order of seg_thread.wait_regs. */
enum { REG_PC, REG_SP, REG_FP };
extern const int8_t unwind_register_numbers[LAYOUT_REGS]; /* libunwind's */

struct unwinder {
    unw_addr_space_t space;
    struct proc_maps maps;
    bool stale;                                /* the mappings may be */
    uint32_t sample;                           /* number of the present one */
    uint32_t read_fresh, read_last, read_next; /* sample in which mappings were, and may be, read */
    uint64_t regs[LAYOUT_REGS];
    unsigned known; /* which of regs are known, as bits */

    uint8_t *batch; /* all copies */
    size_t batch_room;
    uint8_t *longer; /* the copy in use, if a walk needed more of the stack */
    size_t longer_room;
    const uint8_t *copy; /* the copy in use, in one of both */
    size_t size;
    uint64_t base;      /* address of copy[0] */
    uint64_t low, high; /* the thread's stack; 0: unknown */

    bool reread, changed;             /* in this walk: the stack was read again; mappings changed */
    bool no_cfi;                      /* the frame that was last stepped from has none */
    int32_t walk_reads, sample_reads; /* words that may still be read */
};

/* Reads the mappings again, once a sample, and after a time in vain not for a while. */
void unwind_read_maps(struct unwinder *unwinder);

/* Counts reads. false: the walk, or the sample, has used up its budget. */
bool unwind_may_read(struct unwinder *unwinder, int32_t reads);

/* How far the stack in use may be read. Reads the mappings again if it takes that. */
uint64_t unwind_stack_limit(struct unwinder *unwinder);

/* Makes the copy in use longer. */
bool unwind_copy_more(struct unwinder *unwinder);

unw_addr_space_t unwind_new_space(void);

/* A word from wherever it may be read: the copy, a file, or the process. */
bool unwind_read_word(struct unwinder *unwinder, uint64_t address, uint64_t *word);

/* As unw_step(), from `from`, of which *cursor is a copy. *at_call: the cursor is at a call, not at where the call
   returns to. */
int unwind_step(struct unwinder *unwinder, unw_cursor_t *from, unw_cursor_t *cursor, bool *at_call);

/* A call instruction ends at this address of a file's code. */
bool unwind_is_after_call(struct unwinder *unwinder, uint64_t pc);

#endif
