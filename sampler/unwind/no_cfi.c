// SPDX-License-Identifier: Apache-2.0
/*
 * Steps from code without call frame information: generated code, and assembly that was not annotated. The uploader
 * does the same from outside (uploader/unwind/unwind.c), by the same decoder of calls. The rules in unwind.c hold
 * here, too.
 */
#include "packed.h"
#include "sampler/base/nofault.h"
#include "sampler/segment/layout.h"
#include "sampler/segment/return_address.h"

#if defined(__x86_64__)
#include "frames_x86_64.h"
#elif defined(__aarch64__)
#include "frames_aarch64.h"
#endif

static bool load_return(struct walk *w, uint64_t place, uint64_t *pc)
{
    if (!walk_load_word(w, place, pc))
        return false;
    *pc = arch_code_address(*pc);
    return true;
}

/* Takes over the caller's registers. Such a frame has saved its frame pointer at most. */
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

/* The same, where the return address was found at place. */
static enum step step_to_saved(struct walk *w, uint64_t pc, uint64_t place, uint64_t fp)
{
    w->return_at = place;
    return step_to(w, pc, settle_sp(row_of(w, pc - 1), place + 8, fp), fp);
}

/* No call returns to the first instruction of a function. Its address as a return address begins a stack
   that a program has made: makecontext() puts __start_context there. An address with no call before it
   (Boost's make_fcontext()) does the same, but a wrong guess may lead to one, too. */
static bool is_synthetic_return(struct walk *w, uintptr_t pc)
{
    unsigned kind = row_of(w, pc) & ROW_KIND;
    return kind == ROW_PACKED || kind == ROW_FDE || kind == ROW_LAST;
}

/* If pc is the caller, its own row leads to a return address. */
static bool leads_on(struct walk *w, uint64_t pc, uint64_t sp, uint64_t fp)
{
    uint64_t row = row_of(w, pc - 1), base = row >> PACK_REGISTER & 7, next;
    if ((row & ROW_KIND) == ROW_LAST)
        return true;
    if ((row & ROW_KIND) != ROW_PACKED || (base != ARCH_SP && base != ARCH_FP))
        return false;
    uint64_t cfa = (base == ARCH_SP ? settle_sp(row, sp, fp) : fp) + row_cfa_offset(row);
    uint64_t place = row_return_place(row, cfa);
    return cfa > sp && place && load_return(w, place, &next) && walk_is_after_call(w, next);
}

/* Assembly without call frame information. Its return address is somewhere up its small frame. It is not
   beyond a return address that the frame pointer leads to, since that one is the caller's or its own. This is
   so in code that V8 links into a program, whose callers have no rows either. */
static enum step step_by_search(struct walk *w)
{
    uint64_t sp = w->regs.r[ARCH_SP], fp = w->regs.r[ARCH_FP], caller;
    for (unsigned i = 0; i < SEARCHED_WORDS && load_return(w, sp, &caller); i++) {
        sp += 8;
        if (!walk_is_after_call(w, caller))
            continue;
        uint64_t caller_fp = caller_fp_at(w, sp - 8);
        bool leads = leads_on(w, caller, sp, caller_fp);
        if (!leads && caller_fp != fp)
            leads = leads_on(w, caller, sp, caller_fp = fp);
        if (leads)
            return step_to_saved(w, caller, sp - 8, caller_fp);
        if (sp == fp + 16)
            return STEP_LOST;
    }
    return STEP_LOST;
}

/* Generated code, which is in no module, may have called code of a module: V8's builtins are called so.
   Then the frame pointer is believed if it points to a record of a chain, whose next record is above it and
   readable. */
static bool is_frame_record(struct walk *w, uint64_t fp, uint64_t caller, uint64_t caller_fp)
{
    uint64_t word;
    return caller >= LAYOUT_PAGE && caller < ARCH_USER_END && caller_fp > fp && caller_fp % 8 == 0 &&
           walk_load_word(w, caller_fp, &word) && (word == 0 || word > caller_fp) &&
           walk_load_word(w, caller_fp + 8, &word);
}

/* The frame pointer leads to code that has no call frame information either. Then functions of this module
   keep it, and a search would find older return addresses in their frames. */
static bool is_called_without_cfi(struct walk *w)
{
    uint64_t fp = w->regs.r[ARCH_FP], caller, caller_fp;
    return fp >= w->regs.r[ARCH_SP] && fp % 8 == 0 && load_return(w, fp + 8, &caller) &&
           walk_load_word(w, fp, &caller_fp) && (caller_fp == 0 || caller_fp > fp) &&
           walk_is_after_call(w, caller) && (row_of(w, caller - 1) & ROW_KIND) == ROW_NO_CFI;
}

/*
 * In a module, code without call frame information is assembly, which seldom keeps a frame pointer. The
 * caller's frame pointer would skip the caller, so it is tried second. Generated code can be walked by
 * frame pointers only, and may be called by other generated code.
 */
enum step step_without_cfi(struct walk *w, uintptr_t address, bool in_module)
{
    uint64_t sp = w->regs.r[ARCH_SP], fp = w->regs.r[ARCH_FP], caller, caller_sp, caller_fp;
    if (!w->exact && in_module &&
        ((w->room->peek.module.frame_hdr && is_synthetic_return(w, address + 1)) ||
         (!w->guessed && !walk_is_after_call(w, address + 1))))
        return STEP_END;
    walk_begin_to_guess(w);
    if (LEAF_IS_SURE && w->exact && find_caller_of_leaf(w, in_module, &caller, &caller_sp))
        return step_to(w, caller, caller_sp, fp);
    if (in_module && !is_called_without_cfi(w) && step_by_search(w) == STEP_ON)
        return STEP_ON;
    if (fp >= sp && fp % 8 == 0 && load_return(w, fp + 8, &caller) && walk_load_word(w, fp, &caller_fp) &&
        (!in_module || caller == 0 || row_of(w, caller) != ROW_NOWHERE ||
         is_frame_record(w, fp, caller, caller_fp)))
        return step_to_saved(w, caller, fp + 8, caller_fp);
    if (!LEAF_IS_SURE && w->exact && find_caller_of_leaf(w, in_module, &caller, &caller_sp))
        return step_to(w, caller, caller_sp, fp);
    if (!w->exact && fp == 0)
        return STEP_END; /* 0 ends a chain of frame pointers; goroutines start with it */
    return w->high != 0 && w->high - sp < 8 ? STEP_END : STEP_LOST;
}
