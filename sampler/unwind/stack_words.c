// SPDX-License-Identifier: Apache-2.0
/* Reading the stacks that a walk leads over. The rules in unwind.c hold here, too. */
#include "sampler/base/nofault.h"
#include "sampler/segment/layout.h"
#include "walk.h"

enum { RED_ZONE = 128 }; /* what a function may use below its stack pointer */

/* Finds the range that the stack pointer is in. Memory below the red zone is not in use, and memory below
   the stack pointer's page may not be mapped. */
void walk_enter_stack(struct walk *w)
{
    uintptr_t sp = w->regs.r[ARCH_SP], page = sp & ~(uintptr_t)(LAYOUT_PAGE - 1);
    w->low = w->high = 0;
    for (int i = 0; i < STACK_RANGES; i++) {
        const struct stack_range *range = &w->ranges[i];
        if (sp < range->low || sp > range->high || range->high == 0)
            continue;
        w->low = sp - page > RED_ZONE ? sp - RED_ZONE : page;
        if (w->low < range->low)
            w->low = range->low;
        w->high = range->high;
    }
}

/* The thread runs on this stack, so it is mapped where tables lead. */
void walk_allow_loads(struct walk *w)
{
    bool is_small = w->high - w->low < 2 * RED_ZONE;
    w->direct = is_small ? 0 : w->high;
    w->fast_low = is_small ? UINTPTR_MAX : w->low + 8 * PACK_REACH;
    w->fast_size = is_small ? 0 : w->high - w->fast_low;
}

void walk_forbid_loads(struct walk *w)
{
    w->direct = 0;
    w->fast_low = UINTPTR_MAX;
    w->fast_size = 0;
}

/* From here on addresses are guesses. If nofault_copy() is not available, only one page may be read: that
   of the word below the stack pointer, which was just read or is in use. */
void walk_begin_to_guess(struct walk *w)
{
    uintptr_t page = (w->regs.r[ARCH_SP] - 1) & ~(uintptr_t)(LAYOUT_PAGE - 1);
    uintptr_t end = page + LAYOUT_PAGE < w->direct ? page + LAYOUT_PAGE : w->direct;
    walk_forbid_loads(w);
    if (!nofault_is_available())
        w->direct = end;
}

/*
 * Copies what is around and above an address, which walks meet next. Of a stack of unknown bounds it copies
 * one page, and only if that is in memory, because whoever provides the page may wait for this thread. The
 * page of the stack pointer is excepted.
 */
static bool load_stack(struct walk *w, uintptr_t address)
{
    uintptr_t page = address & ~(uintptr_t)(LAYOUT_PAGE - 1), sp = w->regs.r[ARCH_SP] & ~(uintptr_t)7;
    size_t size = sizeof(w->room->stack);
    w->copied = 0;
    if (w->high == 0) {
        if (page != w->page && !nofault_is_resident(page))
            return false;
        w->page = w->copy = page;
        size = LAYOUT_PAGE;
    } else {
        w->copy = address - sp < size / 2 ? sp : address - 8;
        if (w->high - w->copy < size)
            size = w->high - w->copy;
    }
    w->copied = nofault_copy(w->room->stack, w->copy, size) & ~(size_t)7;
    return address - w->copy < w->copied;
}

/* A cfi_load. */
__attribute__((no_sanitize_address)) bool walk_load_word(void *context, uintptr_t address, uint64_t *value)
{
    struct walk *w = context;
    if (w->high != 0 && address > w->high - 8)
        return false;
    if (address >= w->low && address < w->direct && w->direct - address >= 8) {
        *value = ((const struct stack_word *)address)->value;
        return true;
    }
    if (address % 8 != 0)
        return false;
    if (address - w->copy >= w->copied && !load_stack(w, address))
        return false;
    *value = w->room->stack[(address - w->copy) / 8];
    return true;
}
