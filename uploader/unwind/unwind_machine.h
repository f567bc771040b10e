/* SPDX-License-Identifier: Apache-2.0 */
/* What a walk must know of the processor: the registers in seg_thread.wait_regs, and return addresses. */
#ifndef CPROF_UPLOADER_UNWIND_MACHINE_H
#define CPROF_UPLOADER_UNWIND_MACHINE_H

#include <libunwind.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
/* libunwind's numbers in the order of the slot's registers (sampler/base/arch_x86_64.h): pc, sp, fp, others. */
#define MACHINE_REGISTERS                                                                                    \
    {                                                                                                        \
        UNW_X86_64_RIP, UNW_X86_64_RSP, UNW_X86_64_RBP, UNW_X86_64_RBX, UNW_X86_64_R12, UNW_X86_64_R13,      \
            UNW_X86_64_R14, UNW_X86_64_R15                                                                   \
    }
/* MACHINE_KEPT: those that a call keeps, as bits. */
enum {
    MACHINE_REGS = 8,
    MACHINE_FP = UNW_X86_64_RBP,
    MACHINE_ADDRESS_BITS = 47,
    MACHINE_KEPT = 0xff,
    MACHINE_IGNORES_CFA = 0,
    MACHINE_CODE_IS_KNOWN = 1
};

static inline uint64_t machine_code_address(uint64_t value)
{
    return value;
}

/* A call pushes its return address. */
static inline uint64_t machine_return_at(unw_cursor_t *caller, uint64_t sp)
{
    (void)caller;
    return sp - sizeof(uint64_t);
}

static inline bool machine_is_ignored_cfa(uint8_t operation)
{
    (void)operation;
    return false;
}

#elif defined(__aarch64__)
/* As above (sampler/base/arch_aarch64.h): pc, sp, x29, x30. */
#define MACHINE_REGISTERS                                                                                    \
    {                                                                                                        \
        UNW_AARCH64_PC, UNW_AARCH64_SP, UNW_AARCH64_X29, UNW_AARCH64_X30                                     \
    }
enum {
    MACHINE_REGS = 4,
    MACHINE_FP = UNW_AARCH64_X29,
    MACHINE_ADDRESS_BITS = 48,
    MACHINE_KEPT = 7,
    MACHINE_IGNORES_CFA = 1,
    MACHINE_CODE_IS_KNOWN = 0
};

/* A return address without its signature (xpaclri). Which bits are signature is the kernel's choice, so it is the same
   for the target. Processors without pointer authentication ignore the instruction. */
static inline uint64_t machine_code_address(uint64_t value)
{
    register uint64_t x30 __asm__("x30") = value;
    __asm__("hint #7" : "+r"(x30));
    return x30;
}

/* Where the step to this caller has read the return address. 0: in no memory. */
static inline uint64_t machine_return_at(unw_cursor_t *caller, uint64_t sp)
{
    unw_save_loc_t loc;
    (void)sp;
    return !unw_get_save_loc(caller, UNW_AARCH64_X30, &loc) && loc.type == UNW_SLT_MEMORY ? loc.u.addr : 0;
}

/* DW_CFA_AARCH64_negate_ra_state and ..._with_pc. Before 1.8, libunwind knows neither. All return addresses that look
   signed are cleaned, so the operations say nothing new. */
static inline bool machine_is_ignored_cfa(uint8_t operation)
{
    return operation == 0x2d || operation == 0x2c;
}
#else
#error "which registers does a walk need on this processor?"
#endif

#endif
