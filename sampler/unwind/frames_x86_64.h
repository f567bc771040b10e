/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64: how functions without call frame information find their caller. Included by no_cfi.c only. */

/* The stack pointer after a return is known. */
static inline uint64_t settle_sp(uint64_t row, uint64_t sp, uint64_t fp)
{
    (void)row, (void)fp;
    return sp;
}

/* The caller's frame pointer, if its return address is at place. */
static inline uint64_t caller_fp_at(struct walk *w, uint64_t place)
{
    (void)place;
    return w->regs.r[ARCH_FP];
}

/* The caller of an interrupted function that has no frame yet. */
static inline bool find_caller_of_leaf(struct walk *w, bool in_module, uint64_t *pc, uint64_t *sp)
{
    (void)in_module;
    *sp = w->regs.r[ARCH_SP] + 8;
    return walk_load_word(w, w->regs.r[ARCH_SP], pc) && walk_is_after_call(w, *pc);
}

/* Whether that is asked before all else: there the word at the stack pointer may be any. */
enum { LEAF_IS_SURE = false };
