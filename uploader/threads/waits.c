/* SPDX-License-Identifier: Apache-2.0 */
#include "waits.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64, MOST_STACKS = 16384, MOST_FRAMES = 512 * 1024 /* of all of them: 24 MiB */ };

struct waits {
    struct symbols *symbols;
    const struct process_files *source;
    struct wait_stack **slot; /* open addressing */
    size_t slots, used;
    size_t frames; /* in all of them */
};

struct waits *waits_new(struct symbols *symbols, const struct process_files *source)
{
    struct waits *waits = calloc(1, sizeof *waits);

    if (waits)
        *waits = (struct waits){.symbols = symbols, .source = source};
    return waits;
}

static void stack_free(struct wait_stack *stack)
{
    if (stack)
        free(stack->named);
    free(stack);
}

void waits_free(struct waits *waits)
{
    if (!waits)
        return;
    for (size_t i = 0; i < waits->slots; i++)
        stack_free(waits->slot[i]);
    free(waits->slot);
    free(waits);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* The module is part of it: after dlclose() and dlopen() the same address is another place. */
static uint64_t hash_of(const char *leaf, const struct unwound *unwound)
{
    uint64_t hash = (uintptr_t)leaf;

    for (uint32_t i = 0; unwound && i < unwound->frames; i++)
        hash = mix(mix(hash, unwound->frame[i].pc), (uintptr_t)unwound->frame[i].module);
    return hash;
}

static bool same(const struct wait_stack *stack, const char *leaf, const struct unwound *unwound)
{
    uint32_t frames = unwound ? unwound->frames : 0;

    if (stack->leaf != leaf || stack->frames != frames || (frames && stack->truncated != unwound->truncated))
        return false;
    for (uint32_t i = 0; i < frames; i++)
        if (stack->frame[i].pc != unwound->frame[i].pc || stack->frame[i].module != unwound->frame[i].module)
            return false;
    return true;
}

/* Moves all to a table of that size; with keep_all false only those in use. */
static bool rehash(struct waits *waits, size_t slots, bool keep_all)
{
    struct wait_stack **slot = calloc(slots, sizeof(struct wait_stack *));

    if (!slot)
        return false;
    for (size_t i = 0; i < waits->slots; i++) {
        struct wait_stack *stack = waits->slot[i];
        size_t at;
        if (!stack)
            continue;
        if (!keep_all && !stack->used) {
            waits->frames -= stack->frames;
            waits->used--;
            stack_free(stack);
            continue;
        }
        stack->used &= keep_all;
        at = stack->hash & (slots - 1);
        while (slot[at])
            at = (at + 1) & (slots - 1);
        slot[at] = stack;
    }
    free(waits->slot);
    waits->slot = slot;
    waits->slots = slots;
    return true;
}

static struct wait_stack *stack_new(const char *leaf, const struct unwound *unwound, uint64_t hash)
{
    uint32_t frames = unwound ? unwound->frames : 0;
    struct wait_stack *stack = calloc(1, sizeof *stack + frames * sizeof stack->frame[0]);

    if (!stack)
        return NULL;
    *stack = (struct wait_stack){.leaf = leaf, .hash = hash, .frames = frames};
    if (!frames)
        return stack;
    stack->truncated = unwound->truncated;
    stack->checkable = unwound->checkable;
    memcpy(stack->frame, unwound->frame, frames * sizeof stack->frame[0]);
    for (uint32_t i = frames; i--;) /* the first one last */
        stack->frame[i].sp -= stack->frame[0].sp;
    return stack;
}

struct wait_stack *waits_intern(struct waits *waits, const char *leaf, const struct unwound *unwound)
{
    uint64_t hash = hash_of(leaf, unwound);
    size_t at;

    if (waits->used * 2 >= waits->slots &&
        !rehash(waits, waits->slots ? waits->slots * 2 : FIRST_SLOTS, true))
        return NULL;
    for (at = hash & (waits->slots - 1); waits->slot[at]; at = (at + 1) & (waits->slots - 1))
        if (waits->slot[at]->hash == hash && same(waits->slot[at], leaf, unwound))
            return waits->slot[at];
    if (waits->used >= MOST_STACKS || (unwound && waits->frames + unwound->frames > MOST_FRAMES))
        return unwound ? waits_intern(waits, leaf, NULL) : NULL;
    waits->slot[at] = stack_new(leaf, unwound, hash);
    if (!waits->slot[at])
        return NULL;
    waits->used++;
    waits->frames += waits->slot[at]->frames;
    return waits->slot[at];
}

struct wait_stack *waits_below(struct waits *waits, const char *leaf, const struct wait_stack *stack)
{
    struct unwound *unwound;
    struct wait_stack *below;

    if (!stack || !stack->frames || !(unwound = malloc(sizeof *unwound)))
        return waits_intern(waits, leaf, NULL);
    unwound->frames = stack->frames;
    unwound->truncated = stack->truncated;
    unwound->checkable = stack->checkable;
    memcpy(unwound->frame, stack->frame, stack->frames * sizeof stack->frame[0]);
    below = waits_intern(waits, leaf, unwound);
    free(unwound);
    return below;
}

const struct stack *waits_name(struct waits *waits, struct wait_stack *stack)
{
    struct stack *named = stack->named;

    if (named)
        return named;
    named = calloc(1, sizeof *named + (stack->frames + 2) * sizeof named->frame[0]);
    if (!named)
        return NULL;
    named->frame[named->frames++] = symbols_special(waits->symbols, stack->leaf);
    for (uint32_t i = 0; i < stack->frames; i++)
        if (!stack->frame[i].ours)
            named->frame[named->frames++] = symbols_locate(waits->symbols, waits->source,
                                                           stack->frame[i].module, stack->frame[i].address);
    if (stack->truncated)
        named->frame[named->frames++] = symbols_special(waits->symbols, "[truncated]");
    return stack->named = named;
}

void waits_use(struct wait_stack *stack)
{
    stack->used = true;
}

void waits_sweep(struct waits *waits)
{
    if (waits->slots)
        rehash(waits, waits->slots, false);
}
