/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc.h"

#include "live_blocks.h"
#include "sampler/base/weights.h"
#include "sampler/process/process.h"
#include "sampler/samples/budget.h"
#include "sampler/samples/sample_table.h"
#include "sampler/threads/thread_slots.h"
#include "sampler/threads/threads.h"

#include "sampler/base/poison.h"

/* With memory profiles off, each thread checks after so many bytes whether they were turned on. */
static const uint64_t off_gap = UINT64_C(64) << 20;
static const uint64_t unattached_gap = UINT64_C(1) << 20;

/* segment NULL: this is a child that has not joined yet. It joins with its first sample. */
static uint64_t wanted_rate(const struct segment *segment)
{
    if (!segment)
        return process_memory_rate();
    if (!(atomic_load_explicit(&segment->control.profiles, memory_order_relaxed) & 1u << PROFILE_MEMORY))
        return 0;
    return atomic_load_explicit(&segment->control.memory_rate, memory_order_relaxed);
}

static void draw_gap(uint64_t rate)
{
    thread_local_state.alloc_rate = rate;
    thread_local_state.alloc_gap = rate ? random_gap(rate) : off_gap;
}

static void record_alloc(struct segment *segment, uintptr_t block, size_t size, uint64_t rate)
{
    uint32_t slot = thread_local_state.slot;
    struct stack_range ranges[STACK_RANGES] = {{slot_private[slot].stack_low, slot_private[slot].stack_high},
                                               {0, 0}};
    struct alloc_saved live = {.size = size, .objects = sampling_weight(size, rate)};
    struct arch_regs regs = {{0}};
    struct sample sample;

    arch_capture(&regs);
    if (!sample_begin(&sample, segment, slot, false))
        return;
    live.stack = sample_walk(&sample, WAIT_NONE, &regs, ranges);
    if (live.stack) {
        sample_add(&sample, live.stack, KIND_ALLOC, live.objects,
                   (uint64_t)((double)live.objects / (1 << WEIGHT_SHIFT) * (double)size + 0.5));
        live.generation = sample.generation;
        live.name = atomic_load_explicit(&sample.thread->name, memory_order_relaxed);
        live_blocks_insert(segment, block, &live);
    }
    segment_count(segment, COUNT_ALLOC_SAMPLES, 1);
    sample_end(&sample, false);
}

/* noinline: the walk starts here, and leaves out the frames of this library. */
__attribute__((noinline)) void alloc_sampled(void *block, size_t size)
{
    struct segment *segment;
    uint64_t drawn_with;

    if (!block)
        return; /* nothing was allocated: the gap stays as it is */
    segment = process_attached();
    if (!thread_local_state.alloc_rate) {
        /* The thread's first allocation, or the first after "off": no gap was used up. */
        draw_gap(wanted_rate(segment));
        if (alloc_due(size) == false || !thread_local_state.alloc_rate) {
            if (!segment && !thread_local_state.alloc_rate)
                thread_local_state.alloc_gap = unattached_gap;
            return;
        }
    }
    if (!segment)
        segment = process_segment();
    if (!segment) {
        draw_gap(0);
        thread_local_state.alloc_gap = unattached_gap;
        return;
    }
    drawn_with = thread_local_state.alloc_rate;
    draw_gap(budget_rate(thread_local_state.slot, PROFILE_MEMORY, wanted_rate(segment)));
    if (!thread_local_state.slot)
        thread_adopt_self(0);
    if (!thread_local_state.slot)
        return;
    record_alloc(segment, (uintptr_t)block, size, drawn_with);
    process_check_uploader(segment);
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
