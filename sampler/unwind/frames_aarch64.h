/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AArch64: how functions without call frame information find their caller. A frame record is the caller's frame
 * pointer and the return address. It may be anywhere in its frame, so the caller's stack pointer is not known.
 * Included by no_cfi.c only.
 */

/* row is the caller's, whose frame pointer is fp. If it saves a frame record, the frame pointer points there,
   and so tells where its frame is. sp: what is known of the stack pointer otherwise. */
static inline uint64_t settle_sp(uint64_t row, uint64_t sp, uint64_t fp)
{
    unsigned words = pack_saved(row, ARCH_FP);
    if ((row & ROW_KIND) != ROW_PACKED || words < 2 || pack_saved(row, ARCH_LR) != words - 1 || fp < sp ||
        (row >> PACK_REGISTER & 7) != ARCH_SP)
        return sp;
    return fp + 8 * words - row_cfa_offset(row);
}

/* The caller's frame pointer, if its return address is at place: the word below, in a frame record. */
static inline uint64_t caller_fp_at(struct walk *w, uint64_t place)
{
    uint64_t fp;
    if (place > w->regs.r[ARCH_SP] && walk_load_word(w, place - 8, &fp) && fp > place && fp % 8 == 0)
        return fp;
    return w->regs.r[ARCH_FP];
}

/* What an instruction before the interrupted one says of the link register. */
enum link_use { LINK_UNKNOWN, LINK_SAVED, LINK_KEPT };
static inline enum link_use link_use_of(uint32_t code)
{
    uint32_t after[1] = {code};
    bool is_call = is_code_after_call((const uint8_t *)(after + 1));
    bool is_pair = (code & 0xfe4003e0) == 0xa80003e0; /* stp of 64-bit registers, from the stack pointer on */
    if (is_call ||
        (is_pair && ((code >> 10 & 31) == ARCH_DWARF_RETURN || (code & 31) == ARCH_DWARF_RETURN)) ||
        (code & 0xffe00fff) == 0xf8000ffe || /* str x30, [sp, #-n]! */
        (code & 0xffc003ff) == 0xf90003fe)   /* str x30, [sp, #n] */
        return LINK_SAVED;
    bool is_return = (code & 0xfffff81f) == 0xd65f0000 || (code & 0xfffffbff) == 0xd65f0bff;
    bool is_jump = code >> 26 == 5 || (code & 0xfffffc1f) == 0xd61f0000;
    return is_return || is_jump || code >> 16 == 0 ? LINK_KEPT : LINK_UNKNOWN;
}

/* Reads the code before the interrupted instruction backwards, until it says whether the function has saved
   its return address. What precedes a function ends in a return, a jump or no code at all. */
static inline bool has_saved_link(struct walk *w, bool in_module)
{
    enum { WORDS = 16, ROUNDS = 16 };
    uint32_t room[WORDS];
    uintptr_t from = w->regs.r[ARCH_PC] & ~(uintptr_t)3;
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *code = (const uint8_t *)room;
        from -= sizeof room;
        if (in_module)
            code = peek_at(&w->room->peek, from, sizeof room);
        else if (!nofault_read(room, from, sizeof room))
            return false;
        if (!code)
            return false;
        for (int i = WORDS - 1; i >= 0; i--) {
            uint32_t word;
            __builtin_memcpy(&word, code + 4 * i, sizeof word);
            enum link_use use = link_use_of(word);
            if (use != LINK_UNKNOWN)
                return use == LINK_SAVED;
        }
    }
    return false;
}

/* The caller of an interrupted function that has no frame: the link register has its return address. After a
   call it would have that of the last callee, which returned into the function itself. */
static inline bool find_caller_of_leaf(struct walk *w, bool in_module, uint64_t *pc, uint64_t *sp)
{
    *pc = arch_code_address(w->regs.r[ARCH_LR]);
    *sp = w->regs.r[ARCH_SP];
    return !has_saved_link(w, in_module) && walk_is_after_call(w, *pc);
}

enum { LEAF_IS_SURE = true };
