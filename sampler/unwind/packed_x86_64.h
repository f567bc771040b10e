/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64: four bits for each register from ARCH_FP to the last. 0: not saved; n: saved n + 1 words below the
 * CFA. The return address is the word below the CFA. Included by packed.h only.
 */

/* The saved registers of a row, in their place, or ROW_FDE. */
static inline uint64_t row_pack_saved(const struct cfi_row *row)
{
    uint64_t packed = 0;
    if (row->how[ARCH_PC] != CFI_OFFSET || row->value[ARCH_PC] != -8)
        return ROW_FDE;
    for (int i = ARCH_FP; i < ARCH_REGS; i++) {
        if (row->how[i] == CFI_SAME || row->how[i] == CFI_UNDEFINED)
            continue;
        int words = -row->value[i] / 8 - 1;
        if (row->how[i] != CFI_OFFSET || row->value[i] % 8 != 0 || words < 1 || words > PACK_SAVED_MOST)
            return ROW_FDE;
        packed |= (uint64_t)words << (PACK_SAVED + PACK_SAVED_BITS * (i - ARCH_FP));
    }
    return packed;
}

static inline void row_unpack_saved(uint64_t packed, struct cfi_row *row)
{
    row->how[ARCH_PC] = CFI_OFFSET;
    row->value[ARCH_PC] = -8;
    for (int i = ARCH_FP; i < ARCH_REGS; i++) {
        int words = (int)pack_saved(packed, i);
        row->how[i] = words ? CFI_OFFSET : CFI_SAME;
        row->value[i] = -8 * (words + 1);
    }
}

/* Where the return address is; 0: in a register. */
static inline uint64_t row_return_place(uint64_t packed, uint64_t cfa)
{
    (void)packed;
    return cfa - 8;
}

/* The step of nearly all frames, without a branch that depends on the row. */
__attribute__((always_inline, no_sanitize_address)) static inline bool step_packed(struct walk *w,
                                                                                   uint64_t row)
{
    uint64_t cfa = w->regs.r[row >> PACK_REGISTER & 7] + row_cfa_offset(row);
    if (cfa - w->fast_low > w->fast_size || cfa <= w->regs.r[ARCH_SP])
        return false;
    const struct stack_word *top = (const struct stack_word *)cfa;
    uint64_t saved = row >> PACK_SAVED;
#pragma GCC unroll 8
    for (int i = ARCH_FP; i < ARCH_REGS; i++, saved >>= PACK_SAVED_BITS) {
        unsigned words = saved & PACK_SAVED_MOST;
        const struct stack_word *from = words ? top - 1 - words : (const struct stack_word *)&w->regs.r[i];
        w->regs.r[i] = from->value;
    }
    w->regs.r[ARCH_PC] = top[-1].value;
    w->regs.r[ARCH_SP] = cfa;
    w->regs.context = NULL;
    w->exact = false;
    return true;
}
