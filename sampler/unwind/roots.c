// SPDX-License-Identifier: Apache-2.0
/*
 * The outermost frames of deep stacks. The root of a deep stack seldom changes between two samples, while a
 * walk to it may take milliseconds. So a thread keeps the outermost frames of its last such walk, each with
 * the place of its return address. If all return addresses are still in their places, these frames are the
 * root of the next stack, too.
 *
 * Why that holds: main()'s frame stays where it is, so the place below it has the return address of the call
 * that main() is in now. If that is the same, the called function's frame is the same, and so on inwards. A
 * wrong match needs a function that leaves all these words of an earlier call untouched in its own frames.
 *
 * The rules in unwind.c hold here, too.
 */
#include "walk.h"

/* How many of the outermost frames that are kept are those of the stack that w is on: all of them, or a
   power of two, since stacks that differ only in what was found would fill the tables. */
unsigned root_valid(const struct seg_root *root, struct walk *w, unsigned size)
{
    uint64_t sp = w->regs.r[ARCH_SP], word;
    unsigned valid = size;

    if (!root || atomic_load_explicit(&root->size, memory_order_acquire) != size || root->high != w->high ||
        sp < root->low || sp >= root->at[0])
        return 0;
    for (unsigned i = 0; i < size; i++)
        if (!walk_load_word(w, root->at[i], &word) || arch_code_address(word) != root->pc[i])
            valid = size - 1 - i;
    return valid == size || !valid ? valid : 1u << (31 - __builtin_clz(valid));
}

void root_recall(const struct seg_root *root, uint64_t *pc, unsigned size, unsigned valid)
{
    for (unsigned i = 0; i < valid; i++)
        pc[i] = root->pc[size - valid + i];
}

/* A handler that interrupts this finds size 0, or frames of two walks, of which those hold that are valid. */
void root_keep(struct seg_root *root, const struct walk *w, const struct ring *ring, uint64_t from,
               uint32_t flags)
{
    atomic_store_explicit(&root->size, 0, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    root->high = w->high;
    root->low = w->high ? 0 : from;
    root->flags = flags;
    for (unsigned i = 0; i < ring->size; i++) {
        root->at[i] = ring->at[i];
        root->pc[i] = ring->pc[i];
    }
    atomic_store_explicit(&root->size, ring->size, memory_order_release);
}

static void turn(uint64_t *words, unsigned size, unsigned first)
{
    const struct {
        unsigned from, to;
    } parts[] = {{0, first}, {first, size}, {0, size}};
    for (int part = 0; part < 3; part++)
        for (unsigned i = parts[part].from, k = parts[part].to; i + 1 < k; i++) {
            uint64_t word = words[--k];
            words[k] = words[i];
            words[i] = word;
        }
}

void ring_turn(struct ring *ring)
{
    turn(ring->pc, ring->size, ring->met % ring->size);
    turn(ring->at, ring->size, ring->met % ring->size);
}
