// SPDX-License-Identifier: Apache-2.0
/*
 * Rules for editing this file: it runs in a signal handler, at any instruction of the program, also inside
 * malloc, the loader and itself. The stack and the registers may hold anything. Other threads may unmap
 * anything but the stack that this one runs on. So only what is inside [low, high) of the walk is read
 * directly. The stack pointer must rise with every step but the first.
 */
#include "walk.h"

#include <errno.h>
#include <string.h>

#include "sampler/base/nofault.h"
#include "sampler/modules/module_record.h"
#include "sampler/segment/layout.h"

static struct segment *_Atomic recorded_in;

static uintptr_t own_start, own_size;

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
    for (int i = ARCH_FP; i < ARCH_REGS; i++, saved >>= 4) {
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

/* At a signal trampoline, the stack pointer points to the context that was interrupted: to the kernel's
   struct rt_sigframe, less the return address that was popped. */
static const ucontext_t *interrupted_context(const struct walk *w)
{
    uintptr_t sp = w->regs.r[ARCH_SP];
    if (sp < w->low || sp > w->direct || w->direct - sp < sizeof(ucontext_t))
        return NULL;
    return (const ucontext_t *)sp;
}

static enum step step_row(struct walk *w, const struct cfi_memory *memory, const struct cfi_row *row)
{
    uint64_t sp = w->regs.r[ARCH_SP];
    const ucontext_t *context = row->signal ? interrupted_context(w) : NULL;
    int error = cfi_step(memory, row, &w->regs, walk_load_word, w);
    if (error == -EFAULT && w->high != 0 && w->high - sp < 8)
        return STEP_END;
    if (error)
        return error == -ENOENT ? STEP_END : STEP_LOST;
    uint64_t next = w->regs.r[ARCH_SP];
    bool rises = next > sp || (next == sp && w->exact); /* the return address may be in a register */
    w->exact = row->signal;
    w->regs.context = context;
    /* From a stack of unknown bounds a signal frame may lead to one that is known. */
    if (rises && (w->high != 0 ? next <= w->high : !row->signal))
        return STEP_ON;
    if (!row->signal || w->crossings++ > STACK_RANGES)
        return STEP_LOST;
    walk_enter_stack(w);
    walk_forbid_loads(w); /* the stack pointer was read from memory, so what is above it may be unmapped */
    return STEP_ON;
}

/* noinline, here and below: rows are large, and the walk's own frame is to stay small. */
__attribute__((noinline)) static enum step step_unpacked(struct walk *w, uint64_t packed)
{
    static const struct cfi_memory none;
    struct cfi_row row;
    row_unpack(packed, &row);
    return step_row(w, &none, &row);
}

/* row_of() left the walk in the module of the row. */
__attribute__((noinline)) static enum step step_fde(struct walk *w, uintptr_t address, uint64_t packed)
{
    struct cfi_memory memory = module_memory(&w->room->peek);
    uintptr_t fde = (packed & ~(call_is_known | call_is_there)) >> ROW_FDE_SHIFT;
    struct cfi_row row;
    if (cfi_read_row(&memory, fde, address, &row) != 0)
        return STEP_LOST;
    return step_row(w, &memory, &row);
}

static enum step step_slowly(struct walk *w, uintptr_t address, uint64_t row)
{
    switch (row & ROW_KIND) {
    case ROW_PACKED:
        return step_unpacked(w, row);
    case ROW_FDE:
        return step_fde(w, address, row);
    case ROW_NO_CFI:
    case ROW_NOWHERE:
        return step_without_cfi(w, address, (row & ROW_KIND) == ROW_NO_CFI);
    case ROW_LAST:
        return STEP_END;
    default:
        return STEP_LOST;
    }
}

__attribute__((no_sanitize_address)) static inline enum step step(struct walk *w)
{
    uintptr_t address = w->regs.r[ARCH_PC] - !w->exact;
    uint64_t row = row_of(w, address);
    if (__builtin_expect((row & ROW_KIND) != ROW_PACKED || !step_packed(w, row), 0)) {
        enum step result = step_slowly(w, address, row);
        if (result != STEP_ON)
            return result;
    }
    uint64_t pc = w->regs.r[ARCH_PC];
    if (__builtin_expect(
            pc - LAYOUT_PAGE >= (UINT64_C(1) << 47) - LAYOUT_PAGE || pc - w->low < w->high - w->low, 0))
        return pc == 0 ? STEP_END : STEP_LOST; /* a return address is neither data nor on the stack itself */
    return STEP_ON;
}

/* Modules that were recorded in another segment are recorded again. */
static void notice_segment(struct segment *segment)
{
    if (!segment || atomic_load_explicit(&recorded_in, memory_order_relaxed) == segment)
        return;
    atomic_store_explicit(&recorded_in, segment, memory_order_relaxed);
    module_record_again();
}

/* Not by an initializer, which would clear many fields for nothing. */
static void walk_begin(struct walk *w, struct segment *segment, const struct unwind_from *from,
                       struct unwind_room *room)
{
    w->regs = *from->regs;
    w->segment = segment;
    w->ranges = from->ranges;
    w->room = room;
    w->module_start = w->module_size = 0;
    w->crossings = 0;
    w->exact = true;
    w->guessed = false;
    w->copied = 0;
    w->page = w->regs.r[ARCH_SP] & ~(uintptr_t)(LAYOUT_PAGE - 1);
    walk_enter_stack(w);
    walk_allow_loads(w);
}

/* The functions that are inlined here read whole stacks, also between variables. */
__attribute__((no_sanitize_address)) struct unwound unwind_stack(struct segment *segment,
                                                                 const struct unwind_from *from,
                                                                 struct unwind_room *room, uint64_t *pc,
                                                                 unsigned max)
{
    struct unwound result = {0};
    struct walk w;
    enum step next = STEP_ON;
    notice_segment(segment);
    for (walk_begin(&w, segment, from, room); next == STEP_ON; next = step(&w)) {
        if (w.regs.r[ARCH_PC] - own_start < own_size)
            continue;
        if (result.frames == max) {
            result.flags |= STACK_DEEP;
            break;
        }
        if (w.exact && result.frames < 64)
            result.exact |= UINT64_C(1) << result.frames;
        pc[result.frames++] = w.regs.r[ARCH_PC];
    }
    if (next == STEP_LOST)
        result.flags |= STACK_TRUNCATED;
    return result;
}

void unwind_forget(void)
{
    nofault_forget();
    modules_forget();
    module_record_again();
}

void unwind_start(void)
{
    struct module own;
    modules_start();
    rows_share();
    if (module_find((uintptr_t)unwind_start, &own)) {
        own_start = own.start;
        own_size = own.end - own.start;
    }
}
