// SPDX-License-Identifier: Apache-2.0
/*
 * Steps from code without call frame information: generated code, and assembly that was not annotated. The uploader
 * does the same from outside (uploader/threads/unwind.c), by the same decoder of calls. The rules in unwind.c hold
 * here, too.
 */
#include "sampler/segment/layout.h"
#include "sampler/segment/return_address.h"
#include "walk.h"

/* Makes the caller's registers of a frame that saved only its frame pointer, or nothing. */
static enum step step_to(struct walk *w, uint64_t pc, uint64_t sp, uint64_t fp)
{
    w->regs.r[ARCH_PC] = pc;
    w->regs.r[ARCH_SP] = sp;
    w->regs.r[ARCH_FP] = fp;
    w->regs.context = NULL;
    w->exact = false;
    w->guessed = true;
    return STEP_ON;
}

/* No call returns to the first instruction of a function: somebody put its address there to start a stack, as
   makecontext() does with __start_context. Nor to what has no call before it, as where Boost's
   make_fcontext() lets a stack begin; but to that a guess may lead. */
static bool is_synthetic_return(struct walk *w, uintptr_t pc)
{
    unsigned kind = row_of(w, pc) & ROW_KIND;
    return kind == ROW_PACKED || kind == ROW_FDE || kind == ROW_LAST;
}

/* If pc were the caller, its own row would lead on to a return address. */
static bool leads_on(struct walk *w, uint64_t pc, uint64_t sp, uint64_t fp)
{
    uint64_t row = row_of(w, pc - 1), base = row >> PACK_REGISTER & 7, next;
    if ((row & ROW_KIND) == ROW_LAST)
        return true;
    if ((row & ROW_KIND) != ROW_PACKED || (base != ARCH_SP && base != ARCH_FP))
        return false;
    uint64_t cfa = (base == ARCH_SP ? sp : fp) + row_cfa_offset(row);
    return cfa > sp && walk_load_word(w, cfa - 8, &next) && walk_is_after_call(w, next);
}

/* Assembly without call frame information. Its return address is somewhere up its small frame. It is not
   beyond a return address that the frame pointer leads to, since that one is the caller's or its own. This is
   so in code that V8 links into a program, whose callers have no rows either. */
static enum step step_by_search(struct walk *w)
{
    uint64_t sp = w->regs.r[ARCH_SP], fp = w->regs.r[ARCH_FP], caller;
    for (unsigned i = 0; i < SEARCHED_WORDS && walk_load_word(w, sp, &caller); i++) {
        sp += 8;
        if (!walk_is_after_call(w, caller))
            continue;
        if (leads_on(w, caller, sp, fp))
            return step_to(w, caller, sp, fp);
        if (sp == fp + 16)
            return STEP_LOST;
    }
    return STEP_LOST;
}

/* Code of a module may have been called by generated code, which is in none: V8's builtins are. Then the
   frame pointer is believed where what it points to is a frame record of a chain: the next one above it,
   readable. */
static bool is_frame_record(struct walk *w, uint64_t fp, uint64_t caller, uint64_t caller_fp)
{
    uint64_t word;
    return caller >= LAYOUT_PAGE && caller >> 47 == 0 && caller_fp > fp && caller_fp % 8 == 0 &&
           walk_load_word(w, caller_fp, &word) && (word == 0 || word > caller_fp) &&
           walk_load_word(w, caller_fp + 8, &word);
}

/* Does the frame pointer lead to code that has no call frame information either? Then functions of this
   module keep it, and a search would take older return addresses that lie about in their frames. */
static bool is_called_without_cfi(struct walk *w)
{
    uint64_t fp = w->regs.r[ARCH_FP], caller, caller_fp;
    return fp >= w->regs.r[ARCH_SP] && fp % 8 == 0 && walk_load_word(w, fp + 8, &caller) &&
           walk_load_word(w, fp, &caller_fp) && (caller_fp == 0 || caller_fp > fp) &&
           walk_is_after_call(w, caller) && (row_of(w, caller - 1) & ROW_KIND) == ROW_NO_CFI;
}

/*
 * Code without call frame information. In a module that is assembly, which seldom keeps a frame pointer: its
 * caller's would skip the caller, and so comes second. Generated code has no other way, and may be called by
 * such.
 */
enum step step_without_cfi(struct walk *w, uintptr_t address, bool in_module)
{
    uint64_t sp = w->regs.r[ARCH_SP], fp = w->regs.r[ARCH_FP], caller, caller_fp;
    if (!w->exact && in_module &&
        (is_synthetic_return(w, address + 1) || (!w->guessed && !walk_is_after_call(w, address + 1))))
        return STEP_END;
    walk_begin_to_guess(w);
    if (in_module && !is_called_without_cfi(w) && step_by_search(w) == STEP_ON)
        return STEP_ON;
    if (fp >= sp && fp % 8 == 0 && walk_load_word(w, fp + 8, &caller) && walk_load_word(w, fp, &caller_fp) &&
        (!in_module || caller == 0 || row_of(w, caller) != ROW_NOWHERE ||
         is_frame_record(w, fp, caller, caller_fp)))
        return step_to(w, caller, fp + 16, caller_fp);
    if (w->exact && walk_load_word(w, sp, &caller) && walk_is_after_call(w, caller))
        return step_to(w, caller, sp + 8, fp);
    if (!w->exact && fp == 0)
        return STEP_END; /* how a chain of frame pointers ends: goroutines are started with it */
    return w->high != 0 && w->high - sp < 8 ? STEP_END : STEP_LOST;
}
