// SPDX-License-Identifier: Apache-2.0
/*
 * Rules for editing this file: it runs in a signal handler, at any instruction of the program, also inside
 * malloc, the loader and itself. The stack and the registers may hold anything. Other threads may unmap
 * anything but the stack that this one runs on. So only what is inside [low, high) of the walk is read
 * directly. The stack pointer must rise with every step but the first.
 */
#include "packed.h"

#include <errno.h>
#include <string.h>

#include "sampler/base/clock.h"
#include "sampler/base/nofault.h"
#include "sampler/modules/module_record.h"
#include "sampler/segment/layout.h"

static struct segment *_Atomic recorded_in;

static uintptr_t own_start, own_size;

/* At a signal trampoline, the stack pointer points to the kernel's struct rt_sigframe, on x86-64 less the
   return address that was popped. The context that was interrupted is in there. */
static const ucontext_t *interrupted_context(const struct walk *w)
{
    uintptr_t context = w->regs.r[ARCH_SP] + ARCH_FRAME_UCONTEXT;
    if (context < w->low || context > w->direct || w->direct - context < sizeof(ucontext_t))
        return NULL;
    return (const ucontext_t *)context;
}

/* The walk has made a step from where the stack pointer was sp. signal: out of a handler. */
static enum step step_arrives(struct walk *w, uint64_t sp, bool signal, const ucontext_t *context)
{
    uint64_t next = w->regs.r[ARCH_SP];
    bool rises = next > sp || (next == sp && w->exact); /* the return address may be in a register */
    w->exact = signal;
    w->regs.context = context;
    /* From a stack of unknown bounds a signal frame may lead to one that is known. */
    if (rises && (w->high != 0 ? next <= w->high : !signal))
        return STEP_ON;
    if (!signal || w->crossings++ > STACK_RANGES)
        return STEP_LOST;
    walk_enter_stack(w);
    walk_forbid_loads(w); /* the stack pointer was read from memory, so what is above it may be unmapped */
    return STEP_ON;
}

static enum step step_row(struct walk *w, const struct cfi_memory *memory, const struct cfi_row *row)
{
    uint64_t sp = w->regs.r[ARCH_SP];
    const ucontext_t *context = row->signal ? interrupted_context(w) : NULL;
    if (row->how[ARCH_RETURN] == CFI_SAME && !w->exact)
        return STEP_LOST; /* a function that called another one has saved it */
    int error = cfi_step(memory, row, &w->regs, walk_load_word, w);
    if (error == -EFAULT && w->high != 0 && w->high - sp < 8)
        return STEP_END;
    if (error)
        return error == -ENOENT ? STEP_END : STEP_LOST;
    w->return_at = row->how[ARCH_RETURN] == CFI_OFFSET
                       ? w->regs.r[ARCH_SP] + (uint64_t)(int64_t)row->value[ARCH_RETURN]
                       : 0;
    return step_arrives(w, sp, row->signal, context);
}

/* A trampoline without call frame information. Its code is looked at only if the stack pointer points to what
   may be a kernel's frame: few flags, and no link to another context. */
static bool is_trampoline(struct walk *w, bool in_module)
{
    uint64_t context = w->regs.r[ARCH_SP] + ARCH_FRAME_UCONTEXT, flags, link;
    uintptr_t pc = w->regs.r[ARCH_PC];
    uint8_t room[ARCH_TRAMPOLINE_SIZE];
    const uint8_t *code = room;
    if (!walk_load_word(w, context + offsetof(ucontext_t, uc_flags), &flags) || flags > UINT8_MAX ||
        !walk_load_word(w, context + offsetof(ucontext_t, uc_link), &link) || link != 0)
        return false;
    if (in_module)
        code = peek_at(&w->room->peek, pc, sizeof room);
    else if (!nofault_read(room, pc, sizeof room))
        return false;
    return code && arch_is_trampoline(code);
}

/* All that was interrupted is in the kernel's frame. */
__attribute__((noinline)) static enum step step_trampoline(struct walk *w)
{
    const ucontext_t *direct = interrupted_context(w);
    uint64_t sp = w->regs.r[ARCH_SP];
    struct arch_regs interrupted = w->regs;
    for (unsigned i = 0; i < ARCH_REGS; i++)
        if (!walk_load_word(w, sp + ARCH_FRAME_UCONTEXT + arch_context_place(i), &interrupted.r[i]))
            return STEP_LOST;
    w->regs = interrupted;
    return step_arrives(w, sp, true, direct);
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
        if (is_trampoline(w, (row & ROW_KIND) == ROW_NO_CFI))
            return step_trampoline(w);
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
    if (__builtin_expect(pc - LAYOUT_PAGE >= ARCH_USER_END - LAYOUT_PAGE || pc - w->low < w->high - w->low,
                         0))
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
    w->guessed = w->confirming = false;
    w->copied = 0;
    w->page = w->regs.r[ARCH_SP] & ~(uintptr_t)(LAYOUT_PAGE - 1);
    walk_enter_stack(w);
    walk_allow_loads(w);
}

enum {
    LONG_FREE = 4096,   /* frames beyond those in pc[]: a walk that is not longer is always taken */
    LONG_MOST = 262144, /* more than most stacks have room for */
    LONG_SHARE = 32,    /* longer walks take one part in so many of a thread's time at most */
};

static unsigned long_limit(const struct seg_root *root, uint64_t now)
{
    return root && (int64_t)(now - root->not_before) >= 0 ? LONG_MOST : LONG_FREE;
}

/* Follows a stack that is deeper than what is kept, until its root is met. pc[] is full; its last quarter
   becomes a ring. Nothing is followed if the root is known. */
__attribute__((noinline, no_sanitize_address)) static void
walk_deep(struct walk *w, struct seg_root *root, uint64_t *pc, unsigned max, struct unwound *result)
{
    unsigned outer = max / 4 < LAYOUT_OUTER - 1 ? max / 4 + 1 : LAYOUT_OUTER, crossings = w->crossings;
    unsigned known = root_valid(root, w, outer);
    uint64_t began = clock_ticks(), from = w->regs.r[ARCH_SP];
    unsigned most = known == outer ? 0 : long_limit(root, began);
    struct ring ring = {pc + max - outer, w->room->at, outer, 0};
    enum step next = STEP_ON;

    for (; next == STEP_ON && ring.met < most; next = step(w))
        if (w->regs.r[ARCH_PC] - own_start >= own_size)
            ring_add(&ring, w);
    if (ring.met > LONG_FREE && root)
        root->not_before = began + LONG_SHARE * (clock_ticks() - began);
    result->flags |= STACK_DEEP;
    result->gap = max - outer;
    if (next == STEP_ON) {
        root_recall(root, ring.pc, outer, known);
        result->frames = result->gap + known;
        result->flags |= known ? root->flags : 0;
        return;
    }
    result->flags |= next == STEP_LOST ? STACK_TRUNCATED : 0;
    ring_turn(&ring);
    if (root && ring.met >= outer && w->crossings == crossings)
        root_keep(root, w, &ring, from, result->flags & STACK_TRUNCATED);
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
            walk_deep(&w, from->root, pc, max, &result);
            return result;
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
    code_rows_start();
    rows_share();
    if (module_find((uintptr_t)unwind_start, &own)) {
        own_start = own.start;
        own_size = own.end - own.start;
    }
}
