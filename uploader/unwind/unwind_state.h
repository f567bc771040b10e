/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files behind unwind.h share. unwind_memory.c reads the process's memory. unwind_cfi.c gives libunwind what it
 * asks for. unwind_programs.c
 * hides what libunwind refuses. unwind_no_cfi.c steps through code without call frame information. unwind.c walks. One thread only.
 */
#ifndef CPROF_UPLOADER_UNWIND_STATE_H
#define CPROF_UPLOADER_UNWIND_STATE_H

#include "unwind.h"
#include "unwind_machine.h"

enum {
    UNWIND_PAGE = 4096,
    COPY_STEP = 16 * 1024, /* what a walk that needs more of a stack adds at a time */
    COPY_LONGEST = 1024 * 1024,
    IGNORED_MOST = 128, /* operations in one function's call frame information */
    SAMPLES_KNOWN = 20, /* for so many samples, the mapping above a stack of unknown bounds is believed */
};

/* In the order of seg_thread.wait_regs. */
enum { REG_PC, REG_SP, REG_FP };
extern const int8_t unwind_register_numbers[MACHINE_REGS]; /* libunwind's */

/* What the code at an address does. */
struct known_code {
    uint64_t pc; /* 0: none */
    const struct elf_image *image;
    bool is_return;
    enum code_kind kind;
    struct code_frame frame;
};
enum { UNWIND_CODES = 512 };

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
    uint64_t base;               /* address of copy[0] */
    uint64_t low, high;          /* the thread's stack; 0: unknown */
    struct stack_copy first;     /* the copy that the walk begins with */
    int64_t long_after_ns;       /* CLOCK_MONOTONIC when the next long walk may begin */
    const struct seg_root *root; /* what the thread itself knows of its stack; NULL: nothing */

    bool reread, changed;           /* in this walk: the stack was read again; mappings changed */
    bool no_cfi;                    /* the frame that was last stepped from has none */
    uint64_t ignored[IGNORED_MOST]; /* where libunwind is to see DW_CFA_nop */
    unsigned ignored_count;
    int32_t walk_reads, sample_reads; /* words that may still be read */
    struct known_code code[UNWIND_CODES];
};

/* Reads the mappings again, once a sample, and after a time in vain not for a while. */
void unwind_read_maps(struct unwinder *unwinder);

/* Counts reads. false: the walk, or the sample, has used up its budget. */
bool unwind_may_read(struct unwinder *unwinder, int32_t reads);

/* How far the stack in use may be read. Reads the mappings again if it takes that. */
uint64_t unwind_stack_limit(struct unwinder *unwinder);

/* Sets all but the place of a frame with this address. */
void unwind_set_frame(const struct unwinder *unwinder, struct unwound_frame *frame, uint64_t pc,
                      bool is_exact);

/* Puts the outermost frames that the thread knows after the innermost ones, if they are those of the stack in use. */
bool unwind_recall_root(struct unwinder *unwinder, struct unwound *unwound, uint64_t sp);

/* Before a walk: the copy in use begins where the walk does. */
void unwind_begin(struct unwinder *unwinder);

/* Makes the copy in use longer, or, once it is long, begins anew where it ends. */
bool unwind_copy_more(struct unwinder *unwinder);

unw_addr_space_t unwind_new_space(void);

/* A word from wherever it may be read: the copy, a file, or the process. */
bool unwind_read_word(struct unwinder *unwinder, uint64_t address, uint64_t *word);

/* Finds operations of a function's call frame information that are to be ignored. mapping: the function's; description:
   unw_proc_info_t's unwind_info. They are removed from words of files that are read from then on. */
void unwind_ignore_operations(struct unwinder *unwinder, const struct code_mapping *mapping,
                              const void *description);
uint64_t unwind_without_ignored(const struct unwinder *unwinder, uint64_t address, uint64_t word);

/* Where a frame is: at an instruction that is still to come, or at what a call returns to. */
struct unwind_place {
    uint64_t pc;
    bool is_return;
};

/* As unw_step(), from `from`, which is at that place, and of which *cursor is a copy. *at_call: the cursor is at a call, not at where the call
   returns to. */
int unwind_step(struct unwinder *unwinder, unw_cursor_t *from, unw_cursor_t *cursor,
                struct unwind_place place, bool *at_call);

/* By the code of the function at pc, from unwinder->regs into them. NONE: it does not say, and they are unchanged. */
enum code_step { CODE_STEP_NONE, CODE_STEP_ON, CODE_STEP_LAST };
enum code_step unwind_step_by_code(struct unwinder *unwinder, uint64_t pc, bool is_return);

/* The mappings have changed. */
void unwind_forget(struct unwinder *unwinder);

/* A call instruction ends at this address of a file's code. */
bool unwind_is_after_call(struct unwinder *unwinder, uint64_t pc);

#endif
