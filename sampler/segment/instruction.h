/* SPDX-License-Identifier: Apache-2.0 */
/* One x86-64 instruction: its length, its operands, and nothing of what it does. Pure. */
#ifndef CPROF_SAMPLER_INSTRUCTION_H
#define CPROF_SAMPLER_INSTRUCTION_H

#include <stdbool.h>
#include <stdint.h>

enum { INSTRUCTION_MOST = 16 }; /* bytes that a decoder may look at; an instruction has 15 at most */

/* Registers by the numbers of the instruction set: rsp is 4, rbp 5. */
enum { INSTRUCTION_RSP = 4, INSTRUCTION_RBP = 5, INSTRUCTION_NONE = 16, INSTRUCTION_PC = 17 };

struct instruction {
    uint8_t length;
    uint8_t map;    /* 0: one-byte opcodes; 1, 2, 3: those after 0f, 0f 38 and 0f 3a */
    uint8_t opcode; /* the last byte of it */
    bool is_wide;   /* operands of 64 bits */
    bool is_vector; /* VEX or EVEX: it neither jumps nor moves the stack pointer */
    bool has_memory;
    uint8_t reg, rm; /* of the ModRM byte; rm: the register if has_memory is false */
    uint8_t base;    /* register that the address is counted from; NONE, PC */
    bool is_indexed;
    int32_t displacement;
    int64_t immediate;
};

/* code: INSTRUCTION_MOST readable bytes. false: no instruction that is known. */
bool instruction_decode(const uint8_t *code, struct instruction *instruction);

#endif
