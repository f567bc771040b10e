/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc.h"

#include "live_blocks.h"
#include "mappings.h"
#include "sampler/base/weights.h"
#include "sampler/process/process.h"
#include "sampler/samples/budget.h"
#include "sampler/samples/sample_table.h"
#include "sampler/threads/thread_slots.h"
#include "sampler/threads/threads.h"

#include "sampler/base/poison.h"

/* With memory profiles off, each thread checks after so many bytes whether they were turned on. */
static const uint64_t off_gap = UINT64_C(64) << 10;
static const uint64_t unattached_gap = UINT64_C(1) << 20;

/*
 * A gap is in force until it is used up, so what is sampled is weighed with the mean that was in force. A longer gap
 * than this is drawn in parts, because it would keep a thread from another rate for too long: exponential gaps have
 * no memory. Such a part is marked in alloc_rate, and ends without a sample.
 */
static const uint64_t longest_gap = UINT64_C(32) << 20;
static const uint64_t is_part = UINT64_C(1) << 63;

/* segment NULL: this is a child that has not joined yet. It joins with its first sample. */
static uint64_t wanted_rate(const struct segment *segment)
{
    if (!segment)
        return process_memory_rate();
    if (!(atomic_load_explicit(&segment->control.profiles, memory_order_relaxed) & 1u << PROFILE_MEMORY))
        return 0;
    return atomic_load_explicit(&segment->control.memory_rate, memory_order_relaxed) & ~is_part;
}

static void draw_gap(uint64_t rate)
{
    uint64_t gap = rate ? random_gap(rate) : off_gap;

    thread_local_state.alloc_rate = gap > longest_gap ? rate | is_part : rate;
    thread_local_state.alloc_gap = gap > longest_gap ? longest_gap : gap;
}

/* A part of a gap ends within this block. What is left of the block is drawn with the same mean, so that no block has
   two. false: no sample is in it, and the next gap may have any mean. */
static bool part_continues(size_t size, uint64_t rate)
{
    return size >= thread_local_state.alloc_gap && size - thread_local_state.alloc_gap >= random_gap(rate);
}

/* leaf: the function that mapped it; WAIT_NONE: it is a block. */
static bool record_alloc(struct segment *segment, enum wait_kind leaf, uintptr_t block, size_t size,
                         uint64_t rate)
{
    uint32_t slot = thread_local_state.slot;
    struct stack_range ranges[STACK_RANGES] = {{slot_private[slot].stack_low, slot_private[slot].stack_high},
                                               {0, 0}};
    struct alloc_saved live = {.size = size, .objects = sampling_weight(size, rate)};
    struct arch_regs regs = {{0}};
    struct sample sample;

    arch_capture(&regs);
    if (thread_local_state.is_small || !sample_begin(&sample, segment, slot, KIND_ALLOC))
        return false;
    live.stack = sample_walk(&sample, leaf, &regs, ranges);
    if (live.stack) {
        sample_add(&sample, live.stack, KIND_ALLOC, live.objects,
                   (uint64_t)((double)live.objects / (1 << WEIGHT_SHIFT) * (double)size + 0.5));
        live.generation = sample.generation;
        live.name = (uint16_t)atomic_load_explicit(&sample.thread->name, memory_order_relaxed);
        live.labels = (uint16_t)sample.context.labels;
        if (leaf == WAIT_NONE)
            live_blocks_insert(segment, block, &live);
        else
            mappings_insert(segment, block, &live);
    }
    segment_count(segment, COUNT_ALLOC_SAMPLES, 1);
    sample_end(&sample);
    return live.stack;
}

static bool sample_if_due(enum wait_kind leaf, void *block, size_t size)
{
    struct segment *segment;
    uint64_t drawn_with, wanted;
    bool is_recorded, is_sampled;

    if (!block)
        return false; /* nothing was allocated: the gap stays as it is */
    segment = process_attached();
    if (!thread_local_state.alloc_rate) {
        /* The thread's first allocation, or the first after "off": no gap was used up. */
        draw_gap(wanted_rate(segment));
        if (alloc_due(size) == false || !thread_local_state.alloc_rate) {
            if (!segment && !thread_local_state.alloc_rate)
                thread_local_state.alloc_gap = unattached_gap;
            return false;
        }
    }
    if (!segment)
        segment = process_segment();
    if (!segment) {
        draw_gap(0);
        thread_local_state.alloc_gap = unattached_gap;
        return false;
    }
    drawn_with = thread_local_state.alloc_rate & ~is_part;
    is_sampled = !(thread_local_state.alloc_rate & is_part) || part_continues(size, drawn_with);
    wanted = wanted_rate(segment); /* 0: memory profiles were turned off since the gap was drawn */
    draw_gap(wanted ? budget_rate(thread_local_state.slot, PROFILE_MEMORY, wanted) : 0);
    if (!is_sampled || !wanted)
        return false;
    if (!thread_local_state.slot)
        thread_adopt_self(0);
    if (!thread_local_state.slot)
        return false;
    is_recorded = record_alloc(segment, leaf, (uintptr_t)block, size, drawn_with);
    process_check_uploader(segment);
    return is_recorded;
}

/* noinline, here and below: the walk starts here, and leaves out the frames of this library. */
__attribute__((noinline)) void alloc_sampled(void *block, size_t size)
{
    sample_if_due(WAIT_NONE, block, size);
}

__attribute__((noinline)) bool alloc_mapping_sampled(enum wait_kind leaf, void *start, size_t size)
{
    return sample_if_due(leaf, start, size);
}

bool alloc_untrack(const void *block, struct alloc_saved *saved)
{
    struct segment *segment = process_attached();
    return segment && live_blocks_remove(segment, (uintptr_t)block, saved);
}

void alloc_retrack(const void *block, const struct alloc_saved *saved)
{
    struct segment *segment = process_attached();
    if (segment)
        live_blocks_insert(segment, (uintptr_t)block, saved);
}
