/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call frame information: .eh_frame as GCC, Clang, glibc and hand-written assembly make it (DWARF 5
 * section 6.4 with the .eh_frame differences of the LSB), for the registers of arch.h.
 *
 * Reads call frame information only inside the memory it is given, whatever the bytes say, and takes bounded
 * time. Signal-safe, thread-safe, no state, no libc. Errors are negative errno: -ENOENT where nothing covers
 * the address, -EINVAL for malformed or unknown contents, -EFAULT when the stack could not be read.
 */
#ifndef CPROF_SAMPLER_CFI_H
#define CPROF_SAMPLER_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/base/arch.h"

struct peek;

/* What may be read as call frame information: [start, end), at most 4 GiB; by peek, or where it is (NULL). */
struct cfi_memory {
    const uint8_t *start, *end;
    struct peek *peek;
};

enum cfi_how {
    CFI_SAME,           /* not changed by the function */
    CFI_UNDEFINED,      /* lost; for the return address: there is no caller */
    CFI_OFFSET,         /* saved at CFA + value */
    CFI_VAL_OFFSET,     /* is CFA + value */
    CFI_REGISTER,       /* is in the register of DWARF number value */
    CFI_EXPRESSION,     /* saved at the address that the expression at memory.start + value computes */
    CFI_VAL_EXPRESSION, /* is what that expression computes */
};

enum { CFI_CFA_EXPRESSION = 255 };

/* How to get from a function's registers to its caller's, at one address. */
struct cfi_row {
    uint8_t how[ARCH_REGS]; /* enum cfi_how, in the order of enum arch_reg */
    int32_t value[ARCH_REGS];
    uint8_t cfa_register; /* DWARF number, or CFI_CFA_EXPRESSION */
    bool signal;       /* a signal trampoline: the caller's pc is exact, and its stack may be another one */
    int32_t cfa_value; /* offset, or the expression's place as above */
};

/* The row for address pc, by the .eh_frame_hdr at frame_hdr. *fde (may be NULL): the address of its FDE,
   which gives it again by cfi_read_row(). 0 or negative errno. */
int cfi_find_row(const struct cfi_memory *memory, const uint8_t *frame_hdr, uintptr_t pc, struct cfi_row *row,
                 uintptr_t *fde);
int cfi_read_row(const struct cfi_memory *memory, uintptr_t fde, uintptr_t pc, struct cfi_row *row);

/* Reads 8 bytes of the stack. false: must not be read. */
typedef bool cfi_load(void *context, uintptr_t address, uint64_t *value);

/* Makes regs the caller's. On an error, and when the return address is undefined (-ENOENT), regs are not
 * changed. */
int cfi_step(const struct cfi_memory *memory, const struct cfi_row *row, struct arch_regs *regs,
             cfi_load *load, void *context);

#endif
