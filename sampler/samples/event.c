/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include "sample_table.h"
#include "sampler/base/weights.h"
#include "sampler/labels/thread_labels.h"
#include "sampler/process/process.h"
#include "sampler/threads/thread_slots.h"
#include "sampler/threads/threads.h"

#include "sampler/base/poison.h"

uint64_t event_random(void)
{
    uint64_t x = thread_local_state.random;
    if (__builtin_expect(!x, 0))
        x = random_bits() | 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    thread_local_state.random = x;
    return x;
}

/* The walk leaves out the frames of this library. */
__attribute__((always_inline)) static inline uint32_t enter_stack(struct sample *sample, uint32_t slot,
                                                                  enum wait_kind leaf)
{
    struct stack_range ranges[STACK_RANGES] = {{slot_private[slot].stack_low, slot_private[slot].stack_high},
                                               {0, 0}};
    struct arch_regs regs = {{0}};

    arch_capture(&regs);
    return sample_walk(sample, leaf, &regs, ranges);
}

/* The calling thread's slot, which is made if there is none. 0: nothing is to be recorded. */
static uint32_t own_slot(void)
{
    if (thread_local_state.ended)
        return 0;
    if (!thread_local_state.slot)
        thread_adopt_self(0);
    return thread_local_state.slot;
}

__attribute__((noinline)) uint64_t event_record(enum sample_kind kind, enum wait_kind function,
                                                uint64_t events, uint64_t ns)
{
    struct segment *segment = process_segment();
    uint32_t slot = segment ? own_slot() : 0, stack, number = 0;
    struct sample sample;

    if (!slot || !sample_begin(&sample, segment, slot, kind))
        return 0;
    stack = enter_stack(&sample, slot, function);
    if (stack)
        number = sample_add(&sample, stack, kind, events, ns);
    segment_count(segment, kind == KIND_MUTEX ? COUNT_MUTEX_SAMPLES : COUNT_BLOCK_SAMPLES, events != 0);
    sample_end(&sample);
    process_check_uploader(segment);
    return number ? (uint64_t)number << 32 | sample.generation : 0;
}

bool event_add(uint64_t event, uint64_t events, uint64_t ns)
{
    struct segment *segment = process_segment();
    uint32_t slot = segment && event ? own_slot() : 0;
    struct sample sample;
    bool is_in_use;

    if (!slot || !sample_begin(&sample, segment, slot, KIND_MUTEX))
        return false;
    is_in_use = sample.generation == (uint32_t)event;
    if (is_in_use)
        sample_add_to(&sample, (uint32_t)(event >> 32), events, ns);
    sample_end(&sample);
    return is_in_use;
}

/* The stack in the bank of *generation, without a sample of it; 0: none. */
static uint32_t stack_of_caller(struct segment *segment, uint32_t *generation)
{
    uint32_t slot = thread_local_state.slot, stack;
    struct sample sample;

    if (!slot || !sample_begin(&sample, segment, slot, KIND_NONE))
        return 0;
    stack = enter_stack(&sample, slot, WAIT_NONE);
    *generation = sample.generation;
    sample_end(&sample);
    return stack;
}

/* The new thread's tid (release) publishes what is written here. Pairs with the uploader's acquire of it. */
__attribute__((noinline)) void event_note_creator(uint32_t slot)
{
    struct segment *segment = process_attached();
    uint32_t generation = 0, stack;

    if (!segment || !slot || slot >= LAYOUT_THREADS || thread_local_state.ended ||
        !(process_wanted() & 1u << PROFILE_THREADCREATE))
        return;
    stack = stack_of_caller(segment, &generation);
    segment->thread[slot].created_stack = stack;
    segment->thread[slot].created_generation = stack ? generation : 0;
    label_set_enter(segment, thread_labels.set);
    segment->thread[slot].created_labels = thread_labels.set;
}
