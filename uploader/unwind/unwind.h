/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack of a thread that waits, from outside. Its registers come from the segment, its stack by
 * process_vm_readv(), and its call frame information from the files. The thread is not stopped and notices
 * nothing. After each copy the caller must check that it still waits. One thread only.
 *
 * Registers, stacks and call frame information are the target's word, so a walk reads a bounded number of
 * words. It reads nothing outside of the stack, the code and the files. Other memory may be served by somebody else
 * (userfaultfd, a file system in user space, NFS), and a read of it may take for ever.
 */
#ifndef CPROF_UPLOADER_UNWIND_H
#define CPROF_UPLOADER_UNWIND_H

#include "proc_maps.h"
#include "sampler/segment/layout.h"

struct unwinder;

enum { UNWIND_COPIES = 64, UNWIND_COPY_MOST = 64 * 1024 };

/* A copy of a part of a thread's stack. */
struct stack_copy {
    uint64_t sp;        /* from here on */
    uint64_t low, high; /* the thread's stack, beyond which nothing is read; 0: unknown */
    size_t size;        /* bytes, UNWIND_COPY_MOST at most */
    int error;          /* result: 0, or negative errno: -EPERM, -ESRCH, -EFAULT, -ENOMEM */
    size_t at, got;     /* private */
};

/* pc: in the first frame the instruction, else the return address. */
struct unwound_frame {
    uint64_t pc, sp; /* sp: as it was before the call */
    const struct elf_module *module;
    uint64_t address; /* ELF virtual address to name; without a module, pc */
    bool ours;
    uint32_t
        return_below; /* so many bytes below sp is pc, see unwinder_return_address(); 0: unknown, or the first frame */
};
struct unwound {
    uint32_t frames;
    uint32_t met;   /* frames of the whole stack, as far as it was walked */
    uint32_t gap;   /* not 0: frames were cut before frame[gap]; if it is `frames`, after the last */
    bool truncated; /* the walk did not end at the thread's first function, as far as is known */
    bool checkable; /* every frame's return_below is known */
    bool reread;    /* the copy was too short, so the stack was read again during the walk */
    struct unwound_frame frame[LAYOUT_FRAMES];
};

/* source and symbols are borrowed. NULL: no memory. */
struct unwinder *unwinder_new(pid_t pid, const struct process_files *source, struct symbols *symbols);
void unwinder_free(struct unwinder *unwinder);

/* A wall sample begins: what may be done once a sample may be done again. */
void unwinder_begin_sample(struct unwinder *unwinder);

/* The process may have loaded or unloaded something. Before the next walk, mappings and files are read again, once a
   sample. */
void unwinder_refresh(struct unwinder *unwinder);

/* Copies the stacks of count threads, UNWIND_COPIES at most, by one system call, or by one more for each that
   cannot be read. The copies last until the next call; the first one is in use. */
void unwinder_copy(struct unwinder *unwinder, struct stack_copy *copy, unsigned count);

/* From now on unwinder_word() and unwinder_walk() read this copy, which has no error. */
void unwinder_use(struct unwinder *unwinder, const struct stack_copy *copy);

/* In walks from now on, root is what the thread of the copy in use knows of its own deep stack. NULL: nothing. */
void unwinder_use_root(struct unwinder *unwinder, const struct seg_root *root);

/* Reads the process's memory as it is now. false: it cannot be read. */
bool unwinder_read(struct unwinder *unwinder, uint64_t address, void *to, size_t size);

/* Reads a word of the copy in use. */
bool unwinder_word(const struct unwinder *unwinder, uint64_t address, uint64_t *word);

/* The same of a word that is a return address, which may be signed. */
bool unwinder_return_address(const struct unwinder *unwinder, uint64_t address, uint64_t *pc);

/* Walks the copy in use. */
void unwinder_walk(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], struct unwound *unwound);

/* The same for a thread of which only these two registers are known. The walk may need a frame pointer that no inner frame
   has saved. Then it tries a few words of the stack that look like one. It takes the first that leads to the thread's
   first function. */
void unwinder_walk_from(struct unwinder *unwinder, uint64_t pc, uint64_t sp, struct unwound *unwound);

#endif
