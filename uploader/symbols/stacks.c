/* SPDX-License-Identifier: Apache-2.0 */
#include "stacks.h"

#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"
#include "uploader/base/hash.h"
#include "uploader/encoding/utf8.h"

enum {
    STACK_HEAD_WORDS = sizeof(struct seg_stack) / sizeof(uint64_t),
    STACK_FIRST_WORD = 8,                            /* offset 0 means none */
    MOST_FRAMES = LAYOUT_BANKS * LAYOUT_STACK_WORDS, /* kept at one time: what honest banks can hold */
    PATH_SIZE = 4096,
};

struct module_entry {
    uint64_t start, end, bias;
    uint32_t epoch;
    bool ready;
    const struct elf_module *module;
};

struct stacks {
    struct segment *segment;
    struct symbols *symbols;
    const struct process_files *source;
    struct module_entry *module;
    uint32_t modules;
    size_t room;
    bool modules_waiting; /* an entry was claimed, and not ready when it was read */
    struct hash stacks;   /* by generation and offset */
    size_t frames;        /* in all of them */
    struct stack *lost;
};

struct stacks *stacks_new(struct segment *segment, struct symbols *symbols,
                          const struct process_files *source)
{
    struct stacks *stacks = calloc(1, sizeof *stacks);
    if (!stacks)
        return NULL;
    stacks->segment = segment;
    stacks->symbols = symbols;
    stacks->source = source;
    stacks->lost = calloc(1, sizeof *stacks->lost + sizeof stacks->lost->frame[0]);
    if (!stacks->lost) {
        free(stacks);
        return NULL;
    }
    stacks->lost->frames = 1;
    stacks->lost->frame[0] = symbols_special(symbols, "[stack lost with an earlier uploader]");
    return stacks;
}

void stacks_free(struct stacks *stacks)
{
    size_t cursor = 0;
    struct stack *stack;

    if (!stacks)
        return;
    while ((stack = hash_each(&stacks->stacks, &cursor)))
        free(stack);
    hash_free(&stacks->stacks);
    free(stacks->module);
    free(stacks->lost);
    free(stacks);
}

/* A malformed module has no addresses, so it matches nothing. */
static void module_read(struct stacks *stacks, struct seg_module *from, struct module_entry *to)
{
    char raw[PATH_SIZE] = "", path[PATH_SIZE];
    struct elf_module like;
    uint8_t build_id_size;
    uint32_t at;

    to->ready =
        atomic_load_explicit(&from->ready, memory_order_acquire) == 1; /* pairs with module_record() */
    if (!to->ready) {
        stacks->modules_waiting = true;
        return;
    }
    at = from->path;
    build_id_size = from->build_id_size;
    if (at < LAYOUT_STRINGS)
        memcpy(raw, stacks->segment->strings + at,
               LAYOUT_STRINGS - at < sizeof raw ? LAYOUT_STRINGS - at : sizeof raw - 1);
    utf8_clean(path, sizeof path, raw, true);
    if (build_id_size > sizeof from->build_id)
        build_id_size = 0;
    to->start = from->start;
    to->end = from->end;
    to->bias = from->bias;
    to->epoch = from->epoch;
    like = (struct elf_module){.path = path, .build_id_size = build_id_size};
    memcpy(like.build_id, from->build_id, sizeof from->build_id);
    to->module = symbols_module_mapped(stacks->symbols, stacks->source, &like, to->start);
}

static void modules_refresh(struct stacks *stacks)
{
    uint32_t claimed = atomic_load_explicit(&stacks->segment->header.modules, memory_order_relaxed);
    struct module_entry *grown;

    if (claimed > LAYOUT_MODULES)
        claimed = LAYOUT_MODULES;
    if (claimed <= stacks->modules && !stacks->modules_waiting)
        return;
    if (claimed > stacks->modules) {
        grown = array_reserve(stacks->module, &stacks->room, claimed - 1, sizeof *grown);
        if (!grown)
            return;
        stacks->module = grown;
        stacks->modules = claimed;
    }
    stacks->modules_waiting = false;
    for (uint32_t i = 0; i < stacks->modules; i++)
        if (!stacks->module[i].ready)
            module_read(stacks, &stacks->segment->module[i], &stacks->module[i]);
}

void stacks_look(struct stacks *stacks)
{
    modules_refresh(stacks);
}

/* By the rule of layout.h: of the modules that cover the address, the one with the highest epoch not above the stack's. */
static const struct module_entry *module_find(const struct stacks *stacks, uint64_t pc, uint32_t epoch)
{
    const struct module_entry *found = NULL;
    for (uint32_t i = 0; i < stacks->modules; i++) {
        const struct module_entry *module = &stacks->module[i];
        if (module->start <= pc && pc < module->end && module->epoch <= epoch &&
            (!found || module->epoch >= found->epoch))
            found = module;
    }
    return found;
}

/* The name of a leaf that is a hooked function (see layout.h). NULL: the leaf is an address. */
static const char *function_of(uint64_t leaf)
{
    static const char *const names[WAIT_FUNCTIONS] = {
#define X(function, state, who) [WAIT_##function] = #function,
        LAYOUT_WAITS(X)
#undef X
#define X(function) [RELEASE_##function] = #function,
            LAYOUT_RELEASES(X)
#undef X
#define X(function) [MAPPED_##function] = #function,
                LAYOUT_MAPPED(X)
#undef X
    };
    return leaf < WAIT_FUNCTIONS ? names[leaf] : NULL;
}

/* A return address is looked up one byte before, since the call may be the last instruction of its function. */
static const struct symbol_location *locate(struct stacks *stacks, uint64_t pc, bool exact, uint32_t epoch)
{
    const struct module_entry *module;
    if (function_of(pc))
        return symbols_special(stacks->symbols, function_of(pc));
    if (!exact && pc)
        pc--;
    module = module_find(stacks, pc, epoch);
    if (!module)
        return symbols_locate(stacks->symbols, stacks->source, NULL, pc);
    return symbols_locate(stacks->symbols, stacks->source, module->module, pc - module->bias);
}

const struct symbol_location *stacks_locate(struct stacks *stacks, uint64_t address)
{
    modules_refresh(stacks);
    return module_find(stacks, address, UINT32_MAX) ? locate(stacks, address, true, UINT32_MAX) : NULL;
}

/* The bank's word at this index, read once: the target may change it at any time. */
static uint64_t bank_word(const struct seg_bank *bank, uint32_t at)
{
    return *(const volatile uint64_t *)&bank->stack_word[at];
}

/* The head of the stack at this offset. false: there can be none. */
static bool head_read(const struct seg_bank *bank, uint32_t offset, struct seg_stack *head)
{
    uint64_t words[STACK_HEAD_WORDS];
    if (offset < STACK_FIRST_WORD || offset > LAYOUT_STACK_WORDS - STACK_HEAD_WORDS)
        return false;
    for (uint32_t i = 0; i < STACK_HEAD_WORDS; i++)
        words[i] = bank_word(bank, offset + i);
    memcpy(head, words, sizeof words);
    return head->frames && head->frames <= LAYOUT_FRAMES &&
           head->frames <= LAYOUT_STACK_WORDS - STACK_HEAD_WORDS - offset;
}

static struct stack *stack_read(struct stacks *stacks, const struct seg_bank *bank, uint32_t generation,
                                uint32_t offset)
{
    struct seg_stack head;
    struct stack *stack;
    uint32_t i, frames = 0;

    if (!head_read(bank, offset, &head) || stacks->frames + head.frames > MOST_FRAMES)
        return NULL;
    stack = malloc(sizeof *stack + (head.frames + 2) * sizeof stack->frame[0]);
    if (!stack)
        return NULL;
    modules_refresh(stacks);
    for (i = 0; i <= head.frames; i++) {
        if (head.flags & STACK_DEEP && i == head.gap)
            stack->frame[frames++] = symbols_special(stacks->symbols, "[frames cut]");
        if (i < head.frames)
            stack->frame[frames++] = locate(stacks, bank_word(bank, offset + STACK_HEAD_WORDS + i),
                                            i < 64 && head.exact >> i & 1, head.epoch);
    }
    if (head.flags & STACK_TRUNCATED)
        stack->frame[frames++] = symbols_special(stacks->symbols, "[truncated]");
    stack->generation = generation;
    stack->frames = frames;
    stack->marked = false;
    return stack;
}

static const struct seg_bank *bank_of(const struct stacks *stacks, uint32_t generation)
{
    for (int i = 0; generation && i < LAYOUT_BANKS; i++) {
        const struct seg_bank *bank = &stacks->segment->bank[i];
        if (atomic_load_explicit(&bank->generation, memory_order_relaxed) == generation)
            return bank;
    }
    return NULL;
}

static struct stack *get(struct stacks *stacks, uint32_t generation, uint32_t offset)
{
    const uint64_t key = (uint64_t)generation << 32 | offset;
    struct stack *stack = hash_get(&stacks->stacks, key);
    const struct seg_bank *bank;

    if (stack)
        return stack;
    bank = bank_of(stacks, generation);
    if (!bank)
        return stacks->lost;
    stack = stack_read(stacks, bank, generation, offset);
    if (stack && hash_put(&stacks->stacks, key, stack)) {
        free(stack);
        return NULL;
    }
    stacks->frames += stack ? stack->frames : 0;
    return stack;
}

const struct stack *stacks_get(struct stacks *stacks, uint32_t generation, uint32_t offset)
{
    return get(stacks, generation, offset);
}

void stacks_mark(struct stacks *stacks, uint32_t generation, uint32_t offset)
{
    struct stack *stack = get(stacks, generation, offset);
    if (stack && stack != stacks->lost)
        stack->marked = true;
}

struct kept {
    struct stacks *stacks;
    uint32_t generation;
};

static bool is_kept(void *value, void *context)
{
    const struct kept *kept = context;
    struct stack *stack = value;
    bool keep = stack->marked || stack->generation == kept->generation;

    stack->marked = false;
    if (!keep) {
        kept->stacks->frames -= stack->frames;
        free(stack);
    }
    return keep;
}

void stacks_sweep(struct stacks *stacks, uint32_t keep)
{
    hash_sweep(&stacks->stacks, is_kept, &(struct kept){stacks, keep});
}
