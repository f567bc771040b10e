/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/hash.h"

enum {
    /* A session may have hundreds of programs with a handful of stacks each: the first of everything is
       small. */
    BLOCK_SAMPLES = 8,
    CHUNK_FIRST = 16, /* frames; each chunk is twice as large as the one before */
    CHUNK_MOST = 1024,
    OVERFLOW_PIDS = 256, /* overflow samples beyond the ceiling, one per process */
};

struct chunk {
    struct chunk *next;
    size_t used, size;
    struct profile_frame frame[];
};

/* Samples lie in blocks, so that growing moves none of them. Stacks share the frames from their first
   common caller on: of those of a program, most frames are shared. */
struct profile {
    const struct profile_kind *kind;
    size_t most_stacks;
    struct profile_sample **block;
    size_t samples, blocks, block_room;
    struct hash by_sample; /* by stack, pid, thread, labels and trace */
    struct hash by_frame;  /* by caller and location */
    struct chunk *chunk;
    struct traces traces;
    size_t traced; /* samples with a trace */
    uint64_t overflowed;
};

static const char no_thread[] = "";

static struct profile_sample *sample_at(const struct profile *profile, size_t index)
{
    return &profile->block[index / BLOCK_SAMPLES][index % BLOCK_SAMPLES];
}

static uint64_t frame_hash(const struct profile_frame *caller, const struct symbol_location *location)
{
    return hash_mix(hash_mix(0, (uintptr_t)caller), (uintptr_t)location);
}

/* NULL: there is none. */
static const struct profile_frame *find_frame(const struct profile *profile,
                                              const struct profile_frame *caller,
                                              const struct symbol_location *location)
{
    const struct profile_frame *found;
    uint64_t hash = frame_hash(caller, location);

    for (size_t cursor = 0; (found = hash_next(&profile->by_frame, hash, &cursor));)
        if (found->caller == caller && found->location == location)
            break;
    return found;
}

static bool grow_chunks(struct profile *profile)
{
    struct chunk *chunk = profile->chunk;
    size_t size = chunk ? 2 * chunk->size : CHUNK_FIRST;

    size = size < CHUNK_MOST ? size : CHUNK_MOST;
    chunk = malloc(sizeof *chunk + size * sizeof chunk->frame[0]);
    if (!chunk)
        return false;
    *chunk = (struct chunk){.next = profile->chunk, .size = size};
    profile->chunk = chunk;
    return true;
}

static const struct profile_frame *add_frame(struct profile *profile, const struct profile_frame *caller,
                                             const struct symbol_location *location)
{
    struct profile_frame *frame;

    if ((!profile->chunk || profile->chunk->used == profile->chunk->size) && !grow_chunks(profile))
        return NULL;
    frame = &profile->chunk->frame[profile->chunk->used];
    *frame = (struct profile_frame){location, caller};
    if (hash_add(&profile->by_frame, frame_hash(caller, location), frame))
        return NULL;
    profile->chunk->used++;
    return frame;
}

/* sample->stack becomes this profile's. false: it has no such stack. */
static bool find_stack(const struct profile *profile, struct profile_sample *sample)
{
    const struct profile_frame *stack = NULL;

    for (uint32_t i = sample->frames; i--;)
        if (!(stack = find_frame(profile, stack, sample->frame[i])))
            return false;
    sample->stack = stack;
    return true;
}

/* false: no memory. */
static bool add_stack(struct profile *profile, struct profile_sample *sample)
{
    const struct profile_frame *caller = NULL, *frame;

    for (uint32_t i = sample->frames; i--; caller = frame)
        if (!(frame = find_frame(profile, caller, sample->frame[i])) &&
            !(frame = add_frame(profile, caller, sample->frame[i])))
            return false;
    sample->stack = caller;
    return true;
}

static uint64_t sample_hash(const struct profile_sample *sample)
{
    uint64_t hash = hash_mix((uintptr_t)sample->stack, (uint64_t)sample->about.tid << 32 | sample->pid);
    return hash_mix(hash_mix(hash_mix(hash, (uintptr_t)sample->thread), (uintptr_t)sample->labels),
                    (uintptr_t)sample->trace);
}

static struct profile_sample *find_sample(const struct profile *profile, const struct profile_sample *wanted)
{
    struct profile_sample *found;
    uint64_t hash = sample_hash(wanted);

    for (size_t cursor = 0; (found = hash_next(&profile->by_sample, hash, &cursor));)
        if (found->stack == wanted->stack && found->pid == wanted->pid && found->thread == wanted->thread &&
            found->about.tid == wanted->about.tid && found->labels == wanted->labels &&
            found->trace == wanted->trace)
            break;
    return found;
}

static int grow_blocks(struct profile *profile)
{
    if (profile->blocks == profile->block_room) {
        size_t room = profile->block_room ? 2 * profile->block_room : 1;
        struct profile_sample **block = realloc(profile->block, room * sizeof(*block));
        if (!block)
            return -ENOMEM;
        profile->block = block;
        profile->block_room = room;
    }
    profile->block[profile->blocks] = malloc(BLOCK_SAMPLES * sizeof(struct profile_sample));
    if (!profile->block[profile->blocks])
        return -ENOMEM;
    profile->blocks++;
    return 0;
}

static struct profile_sample *insert(struct profile *profile, struct profile_sample *sample)
{
    struct profile_sample *added;

    if (!add_stack(profile, sample) ||
        (profile->samples == profile->blocks * BLOCK_SAMPLES && grow_blocks(profile)))
        return NULL;
    added = sample_at(profile, profile->samples);
    *added = *sample;
    added->frame = NULL;
    memset(added->value, 0, sizeof added->value);
    if (hash_add(&profile->by_sample, sample_hash(added), added))
        return NULL;
    profile->samples++;
    profile->traced += added->trace != NULL;
    return added;
}

/* The counters come from memory that the target can write: sums stop at the ends of their range. */
static void add_value(int64_t *sum, int64_t value)
{
    if (__builtin_add_overflow(*sum, value, sum))
        *sum = value < 0 ? INT64_MIN : INT64_MAX;
}

/* sample->trace becomes this profile's. Half of the samples may have one at most, so that there is room for stacks. A
   sample beyond has none. */
static void take_trace(struct profile *profile, struct profile_sample *sample)
{
    if (!sample->trace)
        return;
    sample->trace = profile->traced < profile->most_stacks / 2 ? traces_get(&profile->traces, sample->trace)
                                                               : traces_find(&profile->traces, sample->trace);
}

static int add(struct profile *profile, struct profile_sample *sample, size_t most, unsigned skip)
{
    struct profile_sample *found;

    take_trace(profile, sample);
    found = find_stack(profile, sample) ? find_sample(profile, sample) : NULL;
    if (!found && sample->trace && profile->traced >= profile->most_stacks / 2) {
        sample->trace = NULL;
        found = sample->stack ? find_sample(profile, sample) : NULL;
    }

    if (!found && profile->samples >= most)
        return -ENOSPC;
    if (!found)
        found = insert(profile, sample);
    if (!found)
        return -ENOMEM;
    found->about = sample->about;
    for (unsigned i = 0; i < profile->kind->values; i++)
        if (!(skip >> i & 1))
            add_value(&found->value[i], sample->value[i]);
    return 0;
}

/* A process keeps its own overflow sample as long as there is room for some, so that its state can be
   cleared. In the last one, which is everybody's, states are left out: nothing could take them back. */
static int add_overflow(struct profile *profile, struct profile_sample *sample,
                        const struct symbol_location *const *overflow)
{
    int error;

    profile->overflowed++;
    if (!*overflow)
        return 0;
    sample->frame = overflow;
    sample->frames = 1;
    sample->thread = no_thread;
    sample->labels = NULL;
    sample->trace = NULL;
    sample->about = (struct profile_thread){0};
    error = add(profile, sample, profile->most_stacks + OVERFLOW_PIDS, 0);
    if (error != -ENOSPC)
        return error;
    sample->pid = 0;
    return add(profile, sample, SIZE_MAX, profile->kind->snapshot_values);
}

int profile_add(struct profile *profile, const struct symbol_location *const *frame, uint32_t frames,
                uint32_t pid, const char *thread, const int64_t value[PROFILE_VALUES],
                const struct symbol_location *overflow)
{
    struct profile_sample sample = {.pid = pid, .frames = frames, .thread = thread, .frame = frame};

    memcpy(sample.value, value, sizeof(sample.value));
    return profile_add_thread(profile, &sample, overflow);
}

static int add_or_overflow(struct profile *profile, struct profile_sample *sample,
                           const struct symbol_location *overflow)
{
    int error;

    if (!*sample->thread)
        sample->thread = no_thread;
    error = add(profile, sample, profile->most_stacks, 0);
    if (error == -ENOSPC && (sample->labels || sample->trace)) { /* its stack may be there without them */
        sample->labels = NULL;
        sample->trace = NULL;
        error = add(profile, sample, profile->most_stacks, 0);
    }
    return error == -ENOSPC ? add_overflow(profile, sample, &overflow) : error;
}

/* The same of a sample that another profile holds. */
static int add_held(struct profile *profile, struct profile_sample *sample,
                    const struct symbol_location *overflow)
{
    const struct symbol_location **list = malloc((sample->frames + 1) * sizeof *list);
    const struct profile_frame *frame = sample->stack;
    int error;

    if (!list)
        return -ENOMEM;
    for (uint32_t i = 0; frame; frame = frame->caller)
        list[i++] = frame->location;
    sample->frame = list;
    error = add_or_overflow(profile, sample, overflow);
    free(list);
    return error;
}

int profile_add_thread(struct profile *profile, const struct profile_sample *sample,
                       const struct symbol_location *overflow)
{
    struct profile_sample copy = *sample;

    return copy.frame ? add_or_overflow(profile, &copy, overflow) : add_held(profile, &copy, overflow);
}

void profile_clear_but(struct profile *profile, unsigned mask,
                       bool (*keep)(const void *context, uint32_t pid), const void *context)
{
    for (size_t n = 0; n < profile->samples; n++) {
        struct profile_sample *sample = sample_at(profile, n);
        if (keep(context, sample->pid))
            continue;
        for (unsigned i = 0; i < PROFILE_VALUES; i++)
            if (mask >> i & 1)
                sample->value[i] = 0;
    }
}

static bool is_other(const void *context, uint32_t pid)
{
    const uint32_t *cleared = context;
    return *cleared && pid != *cleared;
}

void profile_clear(struct profile *profile, unsigned mask, uint32_t pid)
{
    profile_clear_but(profile, mask, is_other, &pid);
}

int profile_merge(struct profile *into, const struct profile *from, const struct symbol_location *overflow)
{
    const struct profile_sample *sample;
    size_t cursor = 0;

    while ((sample = profile_next(from, &cursor))) {
        int error = profile_add_thread(into, sample, overflow);
        if (error)
            return error;
    }
    return 0;
}

const struct profile_kind *profile_get_kind(const struct profile *profile)
{
    return profile->kind;
}

static bool is_zero(const struct profile_sample *sample)
{
    int64_t any = 0;

    for (unsigned i = 0; i < PROFILE_VALUES; i++)
        any |= sample->value[i];
    return !any;
}

const struct profile_sample *profile_next(const struct profile *profile, size_t *cursor)
{
    while (*cursor < profile->samples) {
        const struct profile_sample *sample = sample_at(profile, (*cursor)++);
        if (!is_zero(sample))
            return sample;
    }
    return NULL;
}

size_t profile_count(const struct profile *profile)
{
    size_t count = 0;

    for (size_t cursor = 0; profile_next(profile, &cursor);)
        count++;
    return count;
}

size_t profile_size(const struct profile *profile)
{
    return profile->samples;
}

void profile_add_overflowed(struct profile *profile, uint64_t additions)
{
    profile->overflowed += additions;
}

uint64_t profile_overflowed(const struct profile *profile)
{
    return profile->overflowed;
}

int64_t profile_total(const struct profile *profile, unsigned value)
{
    const struct profile_sample *sample;
    size_t cursor = 0;
    int64_t total = 0;

    while ((sample = profile_next(profile, &cursor)))
        add_value(&total, sample->value[value]);
    return total;
}

struct profile *profile_new(const struct profile_kind *kind, size_t most_stacks)
{
    struct profile *profile = calloc(1, sizeof(*profile));

    if (profile)
        *profile = (struct profile){.kind = kind, .most_stacks = most_stacks};
    return profile;
}

void profile_set_most(struct profile *profile, size_t most_stacks)
{
    profile->most_stacks = most_stacks;
}

void profile_free(struct profile *profile)
{
    if (!profile)
        return;
    for (size_t i = 0; i < profile->blocks; i++)
        free(profile->block[i]);
    for (struct chunk *chunk = profile->chunk, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    traces_free(&profile->traces);
    free(profile->block);
    hash_free(&profile->by_sample);
    hash_free(&profile->by_frame);
    free(profile);
}
