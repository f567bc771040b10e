/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the samples of a segment.
 *
 * Counters are in fixed point. The difference of the rounded totals is added to the profiles, so each total
 * is off by half a unit at most, however many rounds there are.
 *
 * Pages that nobody wrote are not read if there may be many: a read through a shared mapping allocates them.
 */
#include "drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "context.h"
#include "segment.h"
#include "uploader/programs/time_balance.h"

/* A counter beyond 2^62 is taken for hostile. An honest one starts anew before that: a stack that allocates
   ten million blocks a second gets there within months. */
enum { ABSURD_SHIFT = 62, LARGE_SHIFT = 60 };

/* Where the counters of one kind of sample go. */
struct value_map {
    bool known;
    enum profile_kind_id kind;
    int8_t counter[PROFILE_VALUES]; /* index in seg_sample.value; -1: none */
    uint8_t shift[PROFILE_VALUES];  /* fixed point */
};
static const struct value_map value_maps[KIND_COUNT] = {
    [KIND_CPU] = {true, KIND_ID_CPU, {1, 2, -1, -1}, {0}},
    [KIND_ALLOC] = {true, KIND_ID_MEMORY, {1, 2, -1, -1}, {WEIGHT_SHIFT}},
    [KIND_MUTEX] = {true, KIND_ID_MUTEX, {1, 2, -1, -1}, {WEIGHT_SHIFT}},
    [KIND_BLOCK] = {true, KIND_ID_BLOCK, {1, 2, -1, -1}, {WEIGHT_SHIFT}},
};
enum { MEMORY_INUSE_OBJECTS = 2, MEMORY_INUSE_SPACE = 3 };

struct sample_copy {
    uint64_t value[LAYOUT_VALUES], acked[LAYOUT_VALUES];
    bool large;
};

enum sample_state { SAMPLE_SAME, SAMPLE_NEW, SAMPLE_ABSURD };
/* drained: what was read of it and is not acknowledged yet; or NULL. */
static enum sample_state sample_read(struct seg_sample *sample, const uint64_t *drained,
                                     struct sample_copy *copy)
{
    enum sample_state state = SAMPLE_SAME;
    for (int i = 0; i < LAYOUT_VALUES; i++) {
        copy->value[i] = atomic_load_explicit(&sample->value[i], memory_order_relaxed);
        copy->acked[i] = drained ? drained[i] : atomic_load_explicit(&sample->acked[i], memory_order_relaxed);
        copy->large |= copy->value[i] >> LARGE_SHIFT != 0;
        if (copy->value[i] == copy->acked[i])
            continue;
        if (copy->value[i] < copy->acked[i] || copy->value[i] >> ABSURD_SHIFT)
            state = SAMPLE_ABSURD;
        else if (state == SAMPLE_SAME)
            state = SAMPLE_NEW;
    }
    return state;
}

/* Only the uploader writes acked, so program order is enough. */
static void sample_ack(struct seg_sample *sample, const uint64_t value[LAYOUT_VALUES])
{
    for (int i = 0; i < LAYOUT_VALUES; i++)
        atomic_store_explicit(&sample->acked[i], value[i], memory_order_relaxed);
}

static int64_t rounded(uint64_t value, unsigned shift)
{
    return (int64_t)((value + (shift ? UINT64_C(1) << (shift - 1) : 0)) >> shift);
}

static void keep_newest(struct cpu_sum *sum, const struct stack *stack, int64_t ns)
{
    size_t size = sizeof *stack + stack->frames * sizeof stack->frame[0];
    struct stack *copy;

    if (ns < sum->newest_ns || !(copy = malloc(size)))
        return;
    memcpy(copy, stack, size);
    free(sum->newest);
    sum->newest = copy;
    sum->newest_ns = ns;
}

/* CPU time is wall time, too. Only new CPU time is balanced against wall samples. */
static void add_cpu(struct target *target, const struct stack *stack, uint32_t name, unsigned parts,
                    const struct profile_sample *sample)
{
    const uint32_t any = 1u << PROFILE_WALL | 1u << PROFILE_OFF_CPU;
    struct cpu_sum *sum = &target->cpu[name < TARGET_NAMES ? name : 0];

    if (parts & PROGRAM_INTERVAL && target->profiles & any) {
        time_add(&sum->ns, sample->value[1]);
        keep_newest(sum, stack, sample->value[1]);
    }
    if (parts & PROGRAM_INTERVAL)
        time_add(&target->cpu_sampled_ns, sample->value[1]);
    if (!(parts & PROGRAM_INTERVAL))
        time_add(&sum->before_ns, sample->value[1]);
    program_add_time(target->program, parts, sample, target->profiles & 1u << PROFILE_WALL);
}

/* Two states of a sample, of which the difference is new. */
struct sample_step {
    struct seg_bank *bank;
    uint64_t key;
    const uint64_t *from, *to; /* LAYOUT_VALUES of them */
};

static int sample_add(struct target *target, uint32_t generation, const struct sample_step *step,
                      unsigned parts)
{
    uint32_t kind = sample_key_kind(step->key), name = sample_key_name(step->key);
    const struct value_map *map = kind < KIND_COUNT ? &value_maps[kind] : &value_maps[KIND_NONE];
    const struct stack *stack =
        map->known ? stacks_get(target->stacks, generation, sample_key_stack(step->key)) : NULL;
    struct profile_sample sample;
    struct profile_trace trace;
    int rc;

    if (!stack)
        return -EINVAL;
    sample = program_sample(stack, target->pid, target_thread_name(target, name));
    target_context(target, step->bank, sample_key_context(step->key), &trace, &sample);
    for (int i = 0; i < PROFILE_VALUES; i++)
        if (map->counter[i] >= 0)
            sample.value[i] = rounded(step->to[map->counter[i]], map->shift[i]) -
                              rounded(step->from[map->counter[i]], map->shift[i]);
    rc = program_add(target->program, parts, map->kind, &sample);
    if (!rc && kind == KIND_CPU)
        add_cpu(target, stack, name, parts, &sample);
    return rc;
}

static void sample_drain(struct target *target, struct seg_bank *bank, uint32_t generation,
                         struct seg_sample *sample, uint64_t *drained)
{
    static const uint64_t nothing[LAYOUT_VALUES];
    /* Pairs with the release of the target's insertion: the stack is complete. */
    uint64_t key = atomic_load_explicit(&sample->key, memory_order_acquire);
    struct sample_copy copy = {0};
    enum sample_state state = key ? sample_read(sample, drained, &copy) : SAMPLE_SAME;
    int rc;

    /* An earlier uploader had these in its merged profiles, which are gone with it. It had pushed them, so
       they are not new for the server. */
    if (target->resumed && key && state != SAMPLE_ABSURD && memcmp(copy.acked, nothing, sizeof nothing) != 0)
        sample_add(target, generation, &(struct sample_step){bank, key, nothing, copy.acked}, PROGRAM_MERGED);
    target->has_large |= copy.large;
    if (state == SAMPLE_SAME)
        return;
    rc = state == SAMPLE_NEW
             ? sample_add(target, generation, &(struct sample_step){bank, key, copy.acked, copy.value},
                          PROGRAM_MERGED | PROGRAM_INTERVAL)
             : -EINVAL;
    if (rc == -ENOMEM)
        return; /* not acknowledged: the next round tries again */
    if (rc)
        program_count_malformed(target->program);
    if (drained)
        memcpy(drained, copy.value, sizeof copy.value);
    else
        sample_ack(sample, copy.value);
}

/* Makes room for so many samples. Without memory, what is read is acknowledged at once. */
static void drained_cover(struct drained *drained, struct seg_bank *bank, uint32_t samples)
{
    uint64_t(*grown)[LAYOUT_VALUES];

    if (samples <= drained->count)
        return;
    grown = realloc(drained->value, samples * sizeof *grown);
    if (!grown)
        return;
    drained->value = grown;
    for (uint32_t i = drained->count; i < samples; i++)
        for (int v = 0; v < LAYOUT_VALUES; v++)
            grown[i][v] = atomic_load_explicit(&bank->sample[i].acked[v], memory_order_relaxed);
    drained->count = samples;
}

void drain_forget(struct target *target, unsigned index)
{
    free(target->drained[index].value);
    target->drained[index] = (struct drained){0};
}

void drain_commit(struct target *target, unsigned index)
{
    struct seg_bank *bank = &target->segment->bank[index];
    const struct drained *drained = &target->drained[index];

    if (!drained->count)
        return;
    for (uint32_t i = 0; i < drained->count; i++)
        sample_ack(&bank->sample[i], drained->value[i]);
    drain_forget(target, index);
    madvise(bank, sizeof *bank, MADV_DONTNEED);
}

void drain_bank(struct target *target, unsigned index)
{
    struct seg_bank *bank = &target->segment->bank[index];
    uint32_t generation = atomic_load_explicit(&bank->generation, memory_order_relaxed);
    uint32_t samples = atomic_load_explicit(&bank->samples, memory_order_relaxed);

    if (samples > LAYOUT_SAMPLES)
        samples = LAYOUT_SAMPLES;
    drained_cover(&target->drained[index], bank, samples);
    for (uint32_t i = 0; i < samples; i++)
        sample_drain(target, bank, generation, &bank->sample[i],
                     i < target->drained[index].count ? target->drained[index].value[i] : NULL);
    /* The pages stay in the memfd. They only leave the uploader's resident set. */
    madvise(bank, sizeof *bank, MADV_DONTNEED);
}

/* The target inserts without a lock: it raises the sequence first, and stores the address last with release.
   An entry that changes during the copy is skipped, because its block is being freed or reused. */
static bool live_read(struct seg_live *live, struct seg_live *copy)
{
    uint64_t address = atomic_load_explicit(&live->address, memory_order_acquire);
    uint32_t sequence;

    if (address <= 1)
        return false;
    sequence = atomic_load_explicit(&live->sequence, memory_order_relaxed);
    copy->stack = live->stack;
    copy->generation = live->generation;
    copy->name = live->name;
    copy->labels = live->labels;
    copy->size = live->size;
    copy->objects = live->objects;
    atomic_store_explicit(&copy->address, address, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&live->sequence, memory_order_relaxed) == sequence &&
           atomic_load_explicit(&live->address, memory_order_relaxed) == address;
}

void drain_each_live(struct target *target, void (*each)(struct target *, const struct seg_live *, void *),
                     void *context)
{
    const off_t start = offsetof(struct segment, live), end = start + (off_t)sizeof target->segment->live;
    struct seg_live copy = {0};
    off_t from = start, to;

    while (from < end && (from = lseek(target->memfd, from, SEEK_DATA)) >= 0 && from < end) {
        size_t first = (size_t)(from - start) / sizeof copy, last;
        to = lseek(target->memfd, from, SEEK_HOLE);
        if (to < 0 || to > end)
            to = end;
        last = ((size_t)(to - start) + sizeof copy - 1) / sizeof copy;
        /* An entry that lies in two ranges belongs to the one that it starts in. */
        first += first * sizeof copy < (size_t)(from - start);
        for (size_t i = first; i < last && i < LAYOUT_LIVE; i++)
            if (live_read(&target->segment->live[i], &copy))
                each(target, &copy, context);
        from = to;
    }
    madvise((char *)target->segment + start, sizeof target->segment->live, MADV_DONTNEED);
}

/* The fraction of an object is carried from entry to entry, so that the sum is right. */
static void live_add(struct target *target, const struct seg_live *live, void *carry)
{
    const struct stack *stack = stacks_get(target->stacks, live->generation, live->stack);
    struct profile_sample sample;
    uint64_t *fraction = carry, space;

    if (!stack || live->objects >> 48 || __builtin_mul_overflow(live->size, live->objects, &space)) {
        program_count_malformed(target->program);
        return;
    }
    sample = program_sample(stack, target->pid, target_thread_name(target, live->name));
    sample.labels = target_labels(target, live->labels);
    *fraction += live->objects;
    sample.value[MEMORY_INUSE_OBJECTS] = (int64_t)(*fraction >> WEIGHT_SHIFT);
    sample.value[MEMORY_INUSE_SPACE] = (int64_t)(space >> WEIGHT_SHIFT);
    *fraction &= (1u << WEIGHT_SHIFT) - 1;
    program_add(target->program, PROGRAM_MERGED | PROGRAM_INTERVAL, KIND_ID_MEMORY, &sample);
}

void drain_live(struct target *target)
{
    uint64_t fraction = 1u << (WEIGHT_SHIFT - 1);
    drain_each_live(target, live_add, &fraction);
}

/* Threads that are alive, by the stack that created them. */
void drain_created(struct target *target)
{
    uint32_t slots = target_used_slots(target);

    for (uint32_t i = 1; i <= slots; i++) {
        struct seg_thread *thread = &target->segment->thread[i];
        uint32_t generation = thread->created_generation;
        const struct stack *stack = NULL;
        struct profile_sample sample;

        if (atomic_load_explicit(&thread->tid, memory_order_acquire) && generation)
            stack = stacks_get(target->stacks, generation, thread->created_stack);
        if (!stack)
            continue;
        sample = program_sample(stack, target->pid, "");
        sample.labels = target_labels(target, thread->created_labels);
        sample.value[0] = 1;
        program_add(target->program, PROGRAM_MERGED | PROGRAM_INTERVAL, KIND_ID_THREADCREATE, &sample);
    }
}

/* A counter that went backwards is hostile, or is of a copy that was made a moment too early. It starts
   anew. */
void drain_counters(struct target *target)
{
    for (int i = 0; i < COUNTERS; i++) {
        uint64_t now = atomic_load_explicit(&target->segment->counter[i], memory_order_relaxed);
        if (now > target->counter[i] && !(now >> ABSURD_SHIFT))
            program_count(target->program, (enum counter)i, now - target->counter[i]);
        target->counter[i] = now;
    }
}
