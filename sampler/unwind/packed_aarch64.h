/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AArch64: 15 bits each for the frame pointer and the link register. 0: not saved; n: saved n words below the
 * CFA. Compilers save them together, GCC at the lower end of the frame and Clang at the upper one. The caller's
 * pc is the link register's value in the caller's frame. Included by packed.h only.
 */

/* The saved registers of a row, in their place, or ROW_FDE. */
static inline uint64_t row_pack_saved(const struct cfi_row *row)
{
    uint64_t packed = 0;
    for (int i = ARCH_FP; i < ARCH_REGS; i++) {
        if (row->how[i] == CFI_SAME || (row->how[i] == CFI_UNDEFINED && i != ARCH_RETURN))
            continue;
        int words = -row->value[i] / 8;
        if (row->how[i] != CFI_OFFSET || row->value[i] % 8 != 0 || words < 1 || words > PACK_SAVED_MOST)
            return ROW_FDE;
        packed |= (uint64_t)words << (PACK_SAVED + PACK_SAVED_BITS * (i - ARCH_FP));
    }
    return packed;
}

static inline void row_unpack_saved(uint64_t packed, struct cfi_row *row)
{
    for (int i = ARCH_FP; i < ARCH_REGS; i++) {
        int words = (int)pack_saved(packed, i);
        row->how[i] = words ? CFI_OFFSET : CFI_SAME;
        row->value[i] = -8 * words;
    }
}

/* Where the return address is; 0: in a register. */
static inline uint64_t row_return_place(uint64_t packed, uint64_t cfa)
{
    unsigned words = pack_saved(packed, ARCH_LR);
    return words ? cfa - 8 * words : 0;
}

/* The step of nearly all frames. That of a function that has not saved its return address yet, which is the
   first at most, is left to cfi_step(). */
__attribute__((always_inline, no_sanitize_address)) static inline bool step_packed(struct walk *w,
                                                                                   uint64_t row)
{
    uint64_t cfa = w->regs.r[row >> PACK_REGISTER & 7] + row_cfa_offset(row), room = cfa - w->fast_low;
    unsigned fp = pack_saved(row, ARCH_FP), lr = pack_saved(row, ARCH_LR), most = fp > lr ? fp : lr;
    if (room > w->fast_size || cfa <= w->regs.r[ARCH_SP] || !lr || room < 8 * (uint64_t)most)
        return false;
    const struct stack_word *top = (const struct stack_word *)cfa;
    if (fp)
        w->regs.r[ARCH_FP] = top[-(int)fp].value;
    w->regs.r[ARCH_LR] = top[-(int)lr].value;
    w->regs.r[ARCH_PC] = arch_code_address(w->regs.r[ARCH_LR]);
    w->regs.r[ARCH_SP] = cfa;
    w->return_at = (uintptr_t)(top - lr);
    w->regs.context = NULL;
    w->exact = false;
    return true;
}
