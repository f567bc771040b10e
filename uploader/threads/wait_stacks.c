/* SPDX-License-Identifier: Apache-2.0 */
#include "wait_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "uploader/base/hash.h"

enum { MOST_STACKS = 16384, MOST_FRAMES = 512 * 1024 /* of all of them: 24 MiB */ };

struct wait_stacks {
    struct symbols *symbols;
    const struct process_files *source;
    struct hash stacks;
    size_t frames; /* in all of them */
};

struct wait_stacks *wait_stacks_new(struct symbols *symbols, const struct process_files *source)
{
    struct wait_stacks *waits = calloc(1, sizeof *waits);

    if (waits)
        *waits = (struct wait_stacks){.symbols = symbols, .source = source};
    return waits;
}

static void stack_free(struct wait_stack *stack)
{
    free(stack->named);
    free(stack);
}

void wait_stacks_free(struct wait_stacks *waits)
{
    struct wait_stack *stack;
    size_t cursor = 0;

    if (!waits)
        return;
    while ((stack = hash_each(&waits->stacks, &cursor)))
        stack_free(stack);
    hash_free(&waits->stacks);
    free(waits);
}

/* The module counts, because after dlclose() and dlopen() the same address may be other code. */
static uint64_t hash_of(const char *leaf, const struct unwound *unwound)
{
    uint64_t hash = (uintptr_t)leaf;

    for (uint32_t i = 0; unwound && i < unwound->frames; i++)
        hash = hash_mix(hash_mix(hash, unwound->frame[i].pc), (uintptr_t)unwound->frame[i].module);
    return hash;
}

static bool same(const struct wait_stack *stack, const char *leaf, const struct unwound *unwound)
{
    uint32_t frames = unwound ? unwound->frames : 0;

    if (stack->leaf != leaf || stack->frames != frames ||
        (frames && (stack->truncated != unwound->truncated || stack->gap != unwound->gap)))
        return false;
    for (uint32_t i = 0; i < frames; i++)
        if (stack->frame[i].pc != unwound->frame[i].pc || stack->frame[i].module != unwound->frame[i].module)
            return false;
    return true;
}

static struct wait_stack *stack_new(const char *leaf, const struct unwound *unwound)
{
    uint32_t frames = unwound ? unwound->frames : 0;
    struct wait_stack *stack = calloc(1, sizeof *stack + frames * sizeof stack->frame[0]);

    if (!stack)
        return NULL;
    *stack = (struct wait_stack){.leaf = leaf, .frames = frames};
    if (!frames)
        return stack;
    stack->truncated = unwound->truncated;
    stack->gap = unwound->gap;
    stack->checkable = unwound->checkable;
    memcpy(stack->frame, unwound->frame, frames * sizeof stack->frame[0]);
    for (uint32_t i = frames; i--;) /* the first one last */
        stack->frame[i].sp -= stack->frame[0].sp;
    return stack;
}

struct wait_stack *wait_stacks_intern(struct wait_stacks *waits, const char *leaf,
                                      const struct unwound *unwound)
{
    uint64_t hash = hash_of(leaf, unwound);
    struct wait_stack *stack;

    for (size_t cursor = 0; (stack = hash_next(&waits->stacks, hash, &cursor));)
        if (same(stack, leaf, unwound))
            return stack;
    if (waits->stacks.used >= MOST_STACKS || (unwound && waits->frames + unwound->frames > MOST_FRAMES))
        return unwound ? wait_stacks_intern(waits, leaf, NULL) : NULL;
    stack = stack_new(leaf, unwound);
    if (stack && hash_add(&waits->stacks, hash, stack)) {
        stack_free(stack);
        return NULL;
    }
    waits->frames += stack ? stack->frames : 0;
    return stack;
}

struct wait_stack *wait_stacks_below(struct wait_stacks *waits, const char *leaf,
                                     const struct wait_stack *stack)
{
    struct unwound *unwound;
    struct wait_stack *below;

    if (!stack || !stack->frames || !(unwound = malloc(sizeof *unwound)))
        return wait_stacks_intern(waits, leaf, NULL);
    unwound->frames = stack->frames;
    unwound->truncated = stack->truncated;
    unwound->gap = stack->gap;
    unwound->checkable = stack->checkable;
    memcpy(unwound->frame, stack->frame, stack->frames * sizeof stack->frame[0]);
    below = wait_stacks_intern(waits, leaf, unwound);
    free(unwound);
    return below;
}

const struct stack *wait_stacks_name(struct wait_stacks *waits, struct wait_stack *stack)
{
    struct stack *named = stack->named;

    if (named)
        return named;
    named = calloc(1, sizeof *named + (stack->frames + 3) * sizeof named->frame[0]);
    if (!named)
        return NULL;
    named->frame[named->frames++] = symbols_special(waits->symbols, stack->leaf);
    for (uint32_t i = 0; i <= stack->frames; i++) {
        if (stack->gap && i == stack->gap)
            named->frame[named->frames++] = symbols_special(waits->symbols, "[frames cut]");
        if (i < stack->frames && !stack->frame[i].ours)
            named->frame[named->frames++] = symbols_locate(waits->symbols, waits->source,
                                                           stack->frame[i].module, stack->frame[i].address);
    }
    if (stack->truncated)
        named->frame[named->frames++] = symbols_special(waits->symbols, "[truncated]");
    return stack->named = named;
}

void wait_stacks_mark(struct wait_stack *stack)
{
    stack->marked = true;
}

static bool keep_marked(void *value, void *waits)
{
    struct wait_stack *stack = value;
    bool marked = stack->marked;

    stack->marked = false;
    if (!marked) {
        ((struct wait_stacks *)waits)->frames -= stack->frames;
        stack_free(stack);
    }
    return marked;
}

void wait_stacks_sweep(struct wait_stacks *waits)
{
    hash_sweep(&waits->stacks, keep_marked, waits);
}
