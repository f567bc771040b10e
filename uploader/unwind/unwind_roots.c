/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks that are deeper than what is kept. A thread keeps the outermost frames of its last deep stack in the segment. If
 * all return addresses are still in their places, these are the root of the stack that is walked (sampler/unwind/roots.c
 * says why). What the segment says is read once, and nothing outside of the stack is read.
 */
#include <string.h>

#include "unwind_machine.h"
#include "unwind_state.h"

enum { SPAN_MOST = 64 * 1024 /* bytes from the first to the last return address */ };

struct root_copy {
    uint64_t at[LAYOUT_OUTER], pc[LAYOUT_OUTER];
    uint32_t flags;
};

/* false: it is of another stack, or makes no sense. */
static bool copy_root(const struct unwinder *unwinder, uint64_t sp, struct root_copy *copy)
{
    const struct seg_root *root = unwinder->root;

    if (!root || atomic_load_explicit(&root->size, memory_order_acquire) != LAYOUT_OUTER || !unwinder->high ||
        root->high != unwinder->high || sp < unwinder->low)
        return false;
    memcpy(copy->at, root->at, sizeof copy->at);
    memcpy(copy->pc, root->pc, sizeof copy->pc);
    copy->flags = root->flags;
    for (int i = 0; i < LAYOUT_OUTER; i++) {
        if (copy->at[i] <= sp || copy->at[i] > unwinder->high - sizeof(uint64_t))
            return false;
        sp = copy->at[i];
    }
    return copy->at[LAYOUT_OUTER - 1] - copy->at[0] <= SPAN_MOST;
}

static bool is_in_place(struct unwinder *unwinder, const struct root_copy *copy)
{
    uint8_t words[SPAN_MOST + sizeof(uint64_t)];
    uint64_t word;

    unwinder->reread = true;
    if (!unwinder_read(unwinder, copy->at[0], words, copy->at[LAYOUT_OUTER - 1] - copy->at[0] + sizeof word))
        return false;
    for (int i = 0; i < LAYOUT_OUTER; i++) {
        memcpy(&word, words + (copy->at[i] - copy->at[0]), sizeof word);
        if (machine_code_address(word) != copy->pc[i])
            return false;
    }
    return true;
}

void unwind_set_frame(const struct unwinder *unwinder, struct unwound_frame *frame, uint64_t pc,
                      bool is_exact)
{
    const struct code_mapping *mapping = proc_maps_find_code(&unwinder->maps, pc - !is_exact);

    *frame = (struct unwound_frame){.pc = pc, .address = pc - !is_exact};
    if (!mapping)
        return;
    frame->module = mapping->module;
    frame->address -= mapping->bias;
    frame->ours = mapping->ours;
}

bool unwind_recall_root(struct unwinder *unwinder, struct unwound *unwound, uint64_t sp)
{
    struct unwound_frame *frame = &unwound->frame[LAYOUT_FRAMES - LAYOUT_OUTER];
    struct root_copy copy;

    if (!copy_root(unwinder, sp, &copy) || !is_in_place(unwinder, &copy))
        return false;
    for (int i = 0; i < LAYOUT_OUTER; i++) {
        unwind_set_frame(unwinder, &frame[i], copy.pc[i], false);
        frame[i].sp = copy.at[i];
    }
    unwound->gap = LAYOUT_FRAMES - LAYOUT_OUTER;
    unwound->truncated = copy.flags & STACK_TRUNCATED;
    return true;
}

void unwinder_use_root(struct unwinder *unwinder, const struct seg_root *root)
{
    unwinder->root = root;
}
