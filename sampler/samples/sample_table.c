/* SPDX-License-Identifier: Apache-2.0 */
#include "sample_table.h"

#include <string.h>

#include "budget.h"
#include "sampler/base/clock.h"
#include "sampler/process/process.h"
#include "sampler/threads/thread_local.h"

#include "sampler/base/poison.h"

enum { LEAST_ROOM = 4096, BUFFERS = 64, PROBES = 128 };

/*
 * Stacks are walked into one of these, not onto the stack, since signal handlers may run on alternate
 * stacks of 2 KiB. A sample holds a buffer for 2 us. If one is held for much longer, a longjmp() out of a
 * handler abandoned the sample that the handler had interrupted. Then the buffer is taken over.
 */
struct buffer {
    uint64_t frames[LAYOUT_FRAMES];
    struct unwind_room room;
};
_Static_assert(sizeof(struct buffer[BUFFERS]) <= LAYOUT_WALKS, "the segment has room for all");
static _Atomic uint64_t buffer_taken[BUFFERS];              /* ticks when it was taken, 0: free */
static const int64_t buffer_stale_ticks = INT64_C(1) << 36; /* 10 s or more on every machine */

static struct buffer *buffer_of(const struct sample *sample)
{
    return (struct buffer *)sample->segment->walks + sample->buffer;
}

/* The index of a free buffer, or BUFFERS. */
static unsigned take_buffer(uint64_t now)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        uint64_t taken = atomic_load_explicit(&buffer_taken[i], memory_order_relaxed);
        /* Signed: the thread that took it may have read its counter later than this one. */
        if (taken && (int64_t)(now - taken) < buffer_stale_ticks)
            continue;
        if (atomic_compare_exchange_strong_explicit(&buffer_taken[i], &taken, now | 1, memory_order_acquire,
                                                    memory_order_relaxed))
            return i;
    }
    return BUFFERS;
}

bool sample_begin(struct sample *sample, struct segment *segment, uint32_t slot, enum sample_kind kind)
{
    const bool in_handler = kind == KIND_CPU;
    struct seg_thread *thread = &segment->thread[slot];
    uint32_t active, again;

    if (!in_handler && thread_alternate_left() - 1 < LEAST_ROOM - 1) {
        segment_count(segment, COUNT_LOST_ROOM, 1);
        return false;
    }
    sample->start_ticks = clock_ticks();
    sample->buffer = take_buffer(sample->start_ticks);
    if (sample->buffer == BUFFERS) {
        segment_count(segment, COUNT_LOST_BUFFER, 1);
        return false;
    }
    sample->segment = segment;
    sample->kind = kind;
    sample->frames = buffer_of(sample)->frames;
    sample->thread = thread;
    sample->outer = in_handler ? atomic_load_explicit(&thread->bank_in_use, memory_order_relaxed) : 0;

    /* Dekker's algorithm with the uploader's rotation. The uploader stores active_bank, then reads
       bank_in_use; this thread stores bank_in_use, then reads active_bank again. So one of the two sees the
       other. A sample that this one interrupted goes on writing to its own bank. */
    active = atomic_load_explicit(&segment->control.active_bank, memory_order_acquire) & 1;
    for (int tries = 0; tries < 3; tries++) {
        atomic_store_explicit(&thread->bank_in_use, sample->outer | 1u << active, memory_order_seq_cst);
        again = atomic_load_explicit(&segment->control.active_bank, memory_order_seq_cst) & 1;
        if (again == active) {
            sample->bank = &segment->bank[active];
            sample->generation = atomic_load_explicit(&sample->bank->generation, memory_order_acquire);
            return true;
        }
        active = again;
    }
    segment_count(segment, COUNT_LOST_ROTATION, 1);
    sample_end(sample);
    return false;
}

/* KIND_NONE: of a thread's creator, once a thread. */
static const enum counter ticks_counter[KIND_COUNT] = {
    [KIND_NONE] = COUNT_BLOCK_TICKS,  [KIND_CPU] = COUNT_CPU_TICKS,     [KIND_ALLOC] = COUNT_ALLOC_TICKS,
    [KIND_MUTEX] = COUNT_MUTEX_TICKS, [KIND_BLOCK] = COUNT_BLOCK_TICKS,
};

void sample_end(struct sample *sample)
{
    const bool in_handler = sample->kind == KIND_CPU;
    uint64_t ticks;

    atomic_store_explicit(&sample->thread->bank_in_use, in_handler ? sample->outer : 0, memory_order_release);
    atomic_store_explicit(&buffer_taken[sample->buffer], 0, memory_order_release);
    ticks = segment_count_ticks(sample->segment, ticks_counter[sample->kind], sample->start_ticks);
    if (!in_handler)
        budget_count((uint32_t)(sample->thread - sample->segment->thread), ticks);
}

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ (hash >> 32);
}

static uint64_t hash_stack(const struct unwound *walk, uint32_t epoch, const uint64_t *pc)
{
    uint64_t hash = hash_word((uint64_t)walk->frames << 32 | epoch, (uint64_t)walk->gap << 32 | walk->flags);
    for (uint32_t i = 0; i < walk->frames; i++)
        hash = hash_word(hash, pc[i]);
    return hash;
}

/*
 * The i-th bucket to try. The first few are in one page of the table, the next in four more, the rest
 * anywhere. So a program with a few hundred stacks touches five pages, not 64.
 */
static uint32_t probe(uint64_t hash, uint32_t i)
{
    enum { NEAR = 1024, FAR = 4096 };
    if (i < 4)
        return (uint32_t)(hash + i) % NEAR;
    if (i < 8)
        return NEAR + (uint32_t)((hash >> 10) + i) % FAR;
    return NEAR + FAR + (uint32_t)((hash >> 16) + i) % (LAYOUT_STACK_BUCKETS - NEAR - FAR);
}
_Static_assert((int)LAYOUT_STACK_BUCKETS == (int)LAYOUT_SAMPLE_BUCKETS, "probe() is for both");

static struct seg_stack *stack_at(struct seg_bank *bank, uint32_t offset)
{
    return (struct seg_stack *)&bank->stack_word[offset];
}

/* Claims and writes a stack that no bucket points to yet. Its offset, or 0 when the bank is full. */
static uint32_t write_stack(struct seg_bank *bank, const struct unwound *walk, uint32_t epoch, uint64_t hash,
                            const uint64_t *pc)
{
    enum { HEAD = sizeof(struct seg_stack) / 8, RESERVED = 8 };
    uint32_t words = HEAD + walk->frames;
    uint32_t used = atomic_load_explicit(&bank->stack_words, memory_order_relaxed);
    struct seg_stack *stack;

    do {
        if (used + words + RESERVED > LAYOUT_STACK_WORDS)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&bank->stack_words, &used, used + words,
                                                    memory_order_relaxed, memory_order_relaxed));
    stack = stack_at(bank, used + RESERVED);
    stack->hash = hash;
    stack->frames = walk->frames;
    stack->flags = walk->flags;
    stack->epoch = epoch;
    stack->gap = walk->gap;
    stack->exact = walk->exact;
    memcpy(stack->pc, pc, walk->frames * sizeof *pc);
    return used + RESERVED;
}

static bool same_stack(const struct seg_stack *stack, const struct unwound *walk, uint64_t hash,
                       const uint64_t *pc)
{
    return stack->hash == hash && stack->frames == walk->frames &&
           !memcmp(stack->pc, pc, walk->frames * sizeof *pc);
}

static uint32_t insert_stack(struct seg_bank *bank, const struct unwound *walk, uint32_t epoch,
                             const uint64_t *pc)
{
    uint64_t hash = hash_stack(walk, epoch, pc);
    uint32_t mine = 0;

    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic uint32_t *bucket = &bank->stack_bucket[probe(hash, i)];
        uint32_t offset = atomic_load_explicit(bucket, memory_order_acquire);
        if (!offset) {
            if (!mine)
                mine = write_stack(bank, walk, epoch, hash, pc);
            /* Release: a thread that finds the offset finds the stack complete. The other thread's claim
               stays unused. */
            if (!mine || atomic_compare_exchange_strong_explicit(bucket, &offset, mine, memory_order_release,
                                                                 memory_order_acquire))
                return mine;
        }
        if (same_stack(stack_at(bank, offset), walk, hash, pc))
            return offset;
    }
    return 0;
}

/* Where the thread's last stack is. The next one has most of its frames in common with it. The bank may
   have been emptied since; then the prefetch is of no use. */
static uint32_t last_stack[LAYOUT_THREADS];

static void prefetch_rows(const struct sample *sample, uint32_t slot)
{
    enum { MOST = 64 };
    const struct seg_stack *stack = stack_at(sample->bank, last_stack[slot]);
    uint32_t frames = last_stack[slot] ? stack->frames : 0;
    /* The words there may now be of a longer stack, and the bank ends where the segment does. */
    if (frames <= LAYOUT_FRAMES && last_stack[slot] < LAYOUT_STACK_WORDS - sizeof *stack / 8 - MOST)
        unwind_prefetch(stack->pc, frames < MOST ? frames : MOST);
}

static struct seg_root *root_of(const struct sample *sample)
{
    size_t slot = (size_t)(sample->thread - sample->segment->thread);
    return &sample->segment->root[slot % LAYOUT_ROOTS];
}

static struct unwound walk_below(const struct sample *sample, enum wait_kind leaf,
                                 const struct arch_regs *regs, const struct stack_range *ranges)
{
    unsigned first = leaf != WAIT_NONE;
    struct unwound walk =
        unwind_stack(sample->segment, &(struct unwind_from){regs, ranges, root_of(sample)},
                     &buffer_of(sample)->room, sample->frames + first, LAYOUT_FRAMES - first);

    if (!walk.frames) {
        sample->frames[first] = regs->r[ARCH_PC];
        walk = (struct unwound){.frames = 1, .flags = STACK_TRUNCATED, .exact = 1};
    }
    if (!first)
        return walk;
    sample->frames[0] = leaf;
    walk.frames++;
    walk.gap += walk.gap != 0;
    walk.exact = walk.exact << 1 | 1;
    return walk;
}

uint32_t sample_walk(struct sample *sample, enum wait_kind leaf, const struct arch_regs *regs,
                     const struct stack_range *ranges)
{
    struct segment *segment = sample->segment;
    uint32_t slot = (uint32_t)(sample->thread - segment->thread);
    prefetch_rows(sample, slot);
    struct unwound walk = walk_below(sample, leaf, regs, ranges);
    uint32_t epoch = atomic_load_explicit(&segment->header.epoch, memory_order_acquire), stack;

    if (walk.flags & STACK_TRUNCATED)
        segment_count(segment, COUNT_STACKS_TRUNCATED, 1);
    if (walk.flags & STACK_DEEP)
        segment_count(segment, COUNT_STACKS_DEEP, 1);
    stack = insert_stack(sample->bank, &walk, epoch, sample->frames);
    last_stack[slot] = stack;
    if (!stack)
        segment_count(segment, COUNT_LOST_STACK_TABLE, 1);
    return stack;
}

static struct seg_sample *find_sample(struct seg_bank *bank, uint64_t key)
{
    uint64_t hash = hash_word(key, key >> 32);
    uint32_t mine = 0;

    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic uint32_t *bucket = &bank->sample_bucket[probe(hash, i)];
        uint32_t index = atomic_load_explicit(bucket, memory_order_acquire);
        if (!index) {
            if (!mine) {
                if (atomic_load_explicit(&bank->samples, memory_order_relaxed) >= LAYOUT_SAMPLES)
                    return NULL;
                mine = 1 + atomic_fetch_add_explicit(&bank->samples, 1, memory_order_relaxed);
                if (mine > LAYOUT_SAMPLES)
                    return NULL;
                atomic_store_explicit(&bank->sample[mine - 1].key, key, memory_order_release);
            }
            if (atomic_compare_exchange_strong_explicit(bucket, &index, mine, memory_order_release,
                                                        memory_order_acquire))
                return &bank->sample[mine - 1];
        }
        if (atomic_load_explicit(&bank->sample[index - 1].key, memory_order_relaxed) == key)
            return &bank->sample[index - 1];
    }
    return NULL;
}

void sample_add_to(struct sample *sample, uint32_t number, uint64_t a, uint64_t b)
{
    struct seg_sample *at = &sample->bank->sample[number - 1];
    atomic_fetch_add_explicit(&at->value[1], a, memory_order_relaxed);
    atomic_fetch_add_explicit(&at->value[2], b, memory_order_relaxed);
}

uint32_t sample_add(struct sample *sample, uint32_t stack, enum sample_kind kind, uint64_t a, uint64_t b)
{
    uint32_t name = atomic_load_explicit(&sample->thread->name, memory_order_relaxed), number;
    struct seg_sample *entry;

    context_read(&sample->context, sample->segment, sample->thread, (char *)sample->frames);
    entry = find_sample(
        sample->bank,
        sample_key(stack, context_number(&sample->context, sample->segment, sample->bank), name, kind));
    if (!entry) {
        segment_count(sample->segment, COUNT_LOST_SAMPLE_TABLE, 1);
        return 0;
    }
    number = 1 + (uint32_t)(entry - sample->bank->sample);
    if (!a && !b)
        return number;
    atomic_fetch_add_explicit(&entry->value[0], 1, memory_order_relaxed);
    sample_add_to(sample, number, a, b);
    return number;
}
