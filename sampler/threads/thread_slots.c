/* SPDX-License-Identifier: Apache-2.0 */
#include "thread_slots.h"

#include <string.h>

#include "sampler/process/process.h"
#include "thread_local.h"

#include "sampler/base/poison.h"

enum { CLAIMS = 64 }; /* attempts at slots that turn out to be taken */

__thread struct thread_local_state thread_local_state;
struct slot_private slot_private[LAYOUT_THREADS];
static uint32_t life = 1;

/*
 * Free slots are a stack in the segment. The tag in the upper half of its head changes with each push. So a
 * pop fails if its head was popped and pushed again meanwhile, and reads next_free anew.
 */
static uint32_t pop_free(struct segment *segment)
{
    uint64_t head = atomic_load_explicit(&segment->header.free_slots, memory_order_acquire);
    for (;;) {
        uint32_t slot = (uint32_t)head % LAYOUT_THREADS, next;
        if (!slot)
            return 0;
        next = atomic_load_explicit(&segment->thread[slot].next_free, memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&segment->header.free_slots, &head,
                                                  (head & ~UINT64_C(0xffffffff)) | next, memory_order_acquire,
                                                  memory_order_acquire))
            return slot;
    }
}

static uint32_t take_new(struct segment *segment)
{
    uint32_t slot = atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed);
    do {
        if (slot >= LAYOUT_THREADS) {
            segment_count(segment, COUNT_LOST_THREAD_SLOT, 1);
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&segment->header.used_slots, &slot, slot + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return slot;
}

static void forget_trace(struct seg_thread *thread)
{
    uint32_t sequence = atomic_load_explicit(&thread->trace_sequence, memory_order_relaxed) | 1;

    if (!atomic_load_explicit(&thread->span, memory_order_relaxed) &&
        sequence != atomic_load_explicit(&thread->trace_sequence, memory_order_relaxed))
        return;
    atomic_store_explicit(&thread->trace_sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&thread->trace[0], 0, memory_order_relaxed);
    atomic_store_explicit(&thread->trace[1], 0, memory_order_relaxed);
    atomic_store_explicit(&thread->span, 0, memory_order_relaxed);
    atomic_store_explicit(&thread->trace_sequence, sequence + 1, memory_order_release);
}

static void settle_wait(struct seg_thread *thread)
{
    uint32_t sequence = atomic_load_explicit(&thread->wait_sequence, memory_order_relaxed);
    thread->created_stack = thread->created_generation = thread->created_labels = 0;
    thread->thread_pointer = 0;
    atomic_store_explicit(&thread->labels, LABELS_NONE, memory_order_relaxed);
    forget_trace(thread);
    if (sequence & 1)
        atomic_store_explicit(&thread->wait_sequence, sequence + 1, memory_order_release);
    /* What the next owner writes is not seen before the number is. Pairs with the uploader's second look at
       it. */
    atomic_thread_fence(memory_order_release);
}

/*
 * Two threads with one slot would run each other's start routine, so the segment alone is not trusted.
 * After a resume the segment is a copy of an earlier moment: slots that are free in it may have been taken
 * since.
 */
static bool claim(uint32_t slot)
{
    uint32_t before = atomic_load_explicit(&slot_private[slot].taken, memory_order_relaxed);
    return before != life &&
           atomic_compare_exchange_strong_explicit(&slot_private[slot].taken, &before, life,
                                                   memory_order_acquire, memory_order_relaxed);
}

uint32_t thread_slot_take(struct segment *segment)
{
    for (int tries = 0; tries < CLAIMS; tries++) {
        uint32_t slot = pop_free(segment);
        if (!slot)
            slot = take_new(segment);
        if (!slot)
            return 0;
        if (!claim(slot))
            continue;
        /* The values may be of the parent process, whose slots these were before a fork. */
        slot_private[slot].timer = SLOT_TIMER_NOT_YET;
        slot_private[slot].budget_doubled = slot_private[slot].budget_samples = 0;
        slot_private[slot].budget_since = slot_private[slot].budget_ticks = 0;
        slot_private[slot].budget_cpu_ns = 0;
        slot_private[slot].tid = 0;
        slot_private[slot].first_ns = 0;
        slot_private[slot].waited = 0;
        slot_private[slot].is_fresh = true;
        slot_private[slot].contended = 0;
        slot_private[slot].group = NULL;
        settle_wait(&segment->thread[slot]); /* its last owner may have ended in a wait */
        return slot;
    }
    segment_count(segment, COUNT_LOST_THREAD_SLOT, 1);
    return 0;
}

void thread_slot_give_back(struct segment *segment, uint32_t slot)
{
    struct seg_thread *thread = &segment->thread[slot];
    uint64_t head = atomic_load_explicit(&segment->header.free_slots, memory_order_relaxed), mine;

    if (atomic_exchange_explicit(&slot_private[slot].taken, 0, memory_order_release) != life)
        return;
    atomic_store_explicit(&thread->bank_in_use, 0, memory_order_relaxed);
    atomic_store_explicit(&thread->tid, 0, memory_order_release);
    do {
        atomic_store_explicit(&thread->next_free, (uint32_t)head % LAYOUT_THREADS, memory_order_relaxed);
        mine = ((head >> 32) + 1) << 32 | slot;
    } while (!atomic_compare_exchange_weak_explicit(&segment->header.free_slots, &head, mine,
                                                    memory_order_release, memory_order_relaxed));
}

uint32_t thread_slot_of(const struct segment *segment, int tid)
{
    uint32_t used = atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed);
    for (uint32_t slot = 1; slot < used && slot < LAYOUT_THREADS; slot++)
        if (atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed) == tid)
            return slot;
    return 0;
}

void thread_slots_forget(void)
{
    life++;
}

uint32_t thread_name_index(struct segment *segment, const char text[16])
{
    uint64_t words[2];
    uint64_t hash;

    memcpy(words, text, sizeof words);
    hash = (words[0] ^ words[1] * UINT64_C(0x9fb21c651e98df25)) * UINT64_C(0x9e3779b97f4a7c15) >> 48;
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++) {
        uint32_t index = (uint32_t)(hash + i) % LAYOUT_NAMES;
        struct seg_name *name = &segment->name[index];
        uint32_t state = atomic_load_explicit(&name->state, memory_order_acquire);
        if (!index)
            continue;
        if (!state && atomic_compare_exchange_strong_explicit(&name->state, &state, 1, memory_order_acquire,
                                                              memory_order_acquire)) {
            memcpy(name->text, text, sizeof name->text);
            atomic_store_explicit(&name->state, 2, memory_order_release);
            return index;
        }
        /* An entry that is being written (state 1) is skipped: at worst a name is in the table twice. */
        if (state == 2 && !memcmp(name->text, text, sizeof name->text))
            return index;
    }
    segment_count(segment, COUNT_LOST_NAME, 1);
    return 0;
}
