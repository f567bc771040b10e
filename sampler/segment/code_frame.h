/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of a function without call frame information, by its instructions. They are followed from an address to
 * where the function returns. What they do to the stack pointer on the way tells where the return address is, and
 * what they restore tells where the caller's registers are. musl's libc has no tables at all.
 *
 * Followed are straight code, both sides of a branch, and jumps to other functions, which return for this one. A
 * call is taken to return, unless it is known that it does not. The result is a guess where a program was
 * written to be one: code of compilers and usual assembly is not.
 *
 * Both unwinders use it, the one in the program and the one in the uploader. Pure.
 */
#ifndef CPROF_SAMPLER_CODE_FRAME_H
#define CPROF_SAMPLER_CODE_FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum { CODE_BYTES = 16 }; /* that an instruction is read by */

/* Functions that do not return: exit() and the like. */
struct code_range {
    uint64_t start, size;
};

enum { CODE_FINALS = 32 };
bool code_is_final_name(const char *name);
const char *code_final_name(unsigned index); /* NULL: there are no more */

struct code_source {
    /* Copies CODE_BYTES at address. false: they cannot be read. */
    bool (*read)(void *context, uint64_t address, uint8_t *code);
    void *context;
    const struct code_range *final;
    unsigned finals;
};

/* Registers that a function preserves. */
enum code_register { CODE_RBP, CODE_RBX, CODE_R12, CODE_R13, CODE_R14, CODE_R15, CODE_REGISTERS };

struct code_frame {
    bool by_frame_pointer;         /* the CFA is rbp + cfa; else rsp + cfa */
    int32_t cfa;                   /* the return address is in the word below the CFA */
    int32_t saved[CODE_REGISTERS]; /* so many bytes below the CFA; 0: not changed yet, or not any more */
};

/* LAST: no way from here returns, so nobody called it that still matters. */
enum code_kind { CODE_UNKNOWN, CODE_FRAME, CODE_LAST };

/* Room for it, as the stacks of signal handlers are small. Nothing is expected in it. */
struct code_place {
    int32_t offset : 30;
    uint32_t base : 2; /* enum of code_frame.c */
};
struct code_state {
    uint64_t at;
    struct code_place sp, fp;
    struct code_place saved[CODE_REGISTERS]; /* where the caller's value is */
    struct code_place pushed[CODE_REGISTERS],
        before[CODE_REGISTERS]; /* last push, and saved[] as it was then */
};
enum { CODE_BRANCHES = 40, CODE_SEEN = 32768 /* bytes around the address */ };
struct code_room {
    struct code_state branch[CODE_BRANCHES];
    uint8_t seen[CODE_SEEN / 8];
};
/* How far the function that begins at start reaches, by its instructions, and below end. 0: it cannot be read. */
uint64_t code_extent(const struct code_source *source, uint64_t start, uint64_t end, struct code_room *room);

/*
 * is_return: the address is one that a call returns to; else it is of the next instruction. Reads some thousand
 * instructions at most.
 */
enum code_kind code_frame_find(const struct code_source *source, uint64_t address, bool is_return,
                               struct code_room *room, struct code_frame *frame);

#endif
