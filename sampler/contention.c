/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry's waiters and the sum of the times they wait since are one word, changed by compare-and-swap:
 *
 *     waiters << 48 | sum of starts modulo 2^48, in units of 32 ticks
 *
 * so that waiters * now - sum is what all of them have waited, whatever their number and order. A charge sets
 * the sum to waiters * now. A waiter that leaves does not know how much of its own wait was charged; it puts
 * what nobody was charged with yet, of all waiters, into `carry`, and sets the sum likewise. The next charge
 * takes the carry. So each instant of each wait is charged once. Two releases that pass each other (they
 * charge after the real unlock) find the sum ahead of their own instant: the later one has charged for both.
 */
#include "contention.h"

#include <string.h>

#include "clock.h"
#include "event.h"
#include "process.h"
#include "record.h"
#include "threads.h"

#include "poison.h"

enum { ENTRIES = 4096, WAYS = 8, UNIT_SHIFT = 5, SUM_BITS = 48, MOST_WAITERS = 0xffff };
static const uint64_t sum_mask = (UINT64_C(1) << SUM_BITS) - 1;

struct entry {
    _Atomic uintptr_t lock; /* 0: never used. Stays when nobody waits, until another lock needs the place */
    _Atomic uint64_t state;
    _Atomic uint64_t carry; /* units that were waited and not charged, of waiters that have left */
    uint64_t unused;
};

static struct entry entries[ENTRIES] __attribute__((aligned(64)));
static uint32_t generation;
uint16_t contention_filter[CONTENTION_FILTER];

static _Atomic uint16_t *filter(unsigned index)
{
    return (_Atomic uint16_t *)&contention_filter[index];
}

static struct entry *way(uintptr_t lock, unsigned i)
{
    uint64_t hash = lock * UINT64_C(0x9e3779b97f4a7c15) >> 40;
    return &entries[(hash + i) % ENTRIES];
}

static struct entry *find(uintptr_t lock)
{
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = way(lock, i);
        if (atomic_load_explicit(&entry->lock, memory_order_relaxed) == lock)
            return entry;
    }
    return NULL;
}

/* A place that was never used, else one that nobody waits at. A thread that registers there in this moment
   has its wait charged to the other lock: seldom, and of no consequence. */
static struct entry *claim(uintptr_t lock, bool take_idle)
{
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = way(lock, i);
        uintptr_t old = atomic_load_explicit(&entry->lock, memory_order_relaxed);
        if (old == lock)
            return entry;
        if (old && (!take_idle || atomic_load_explicit(&entry->state, memory_order_relaxed) >> SUM_BITS))
            continue;
        if (atomic_compare_exchange_strong_explicit(&entry->lock, &old, lock, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            atomic_store_explicit(&entry->carry, 0, memory_order_relaxed);
            return entry;
        }
        if (old == lock)
            return entry;
    }
    return NULL;
}

static uint64_t pack(uint64_t waiters, uint64_t sum)
{
    return waiters << SUM_BITS | (sum & sum_mask);
}

/* What the waiters have waited until now and nobody was charged with. Ahead of now: nothing. */
static uint64_t uncharged(uint64_t state, uint64_t now)
{
    uint64_t units = ((state >> SUM_BITS) * now - state) & sum_mask;
    return units >> (SUM_BITS - 1) ? 0 : units;
}

void contention_begin(struct contention *contention, const void *lock)
{
    struct entry *entry;
    uint64_t state, now;

    contention->entry = 0;
    if (!(process_wanted() & 1u << PROFILE_MUTEX) || thread_local_state.ended)
        return;
    entry = find((uintptr_t)lock);
    if (!entry)
        entry = claim((uintptr_t)lock, false);
    if (!entry)
        entry = claim((uintptr_t)lock, true);
    if (!entry) {
        process_count(COUNT_LOST_CONTENTION, 1);
        return;
    }
    now = arch_ticks() >> UNIT_SHIFT;
    state = atomic_load_explicit(&entry->state, memory_order_relaxed);
    do
        if (state >> SUM_BITS == MOST_WAITERS)
            return;
    while (!atomic_compare_exchange_weak_explicit(&entry->state, &state,
                                                  pack((state >> SUM_BITS) + 1, state + now),
                                                  memory_order_relaxed, memory_order_relaxed));
    contention->entry = 1 + (uint32_t)(entry - entries);
    contention->generation = generation;
    contention->filter = (uint16_t)contention_filter_index(lock);
    atomic_fetch_add_explicit(filter(contention->filter), 1, memory_order_relaxed);
}

void contention_end(struct contention *contention)
{
    struct entry *entry;
    uint64_t state, left, waited, now;

    if (!contention->entry || contention->generation != generation)
        return;
    entry = &entries[contention->entry - 1];
    atomic_fetch_sub_explicit(filter(contention->filter), 1, memory_order_relaxed);
    now = arch_ticks() >> UNIT_SHIFT;
    state = atomic_load_explicit(&entry->state, memory_order_relaxed);
    do {
        waited = uncharged(state, now);
        left = (state >> SUM_BITS) - 1;
    } while (!atomic_compare_exchange_weak_explicit(&entry->state, &state, pack(left, left * now),
                                                    memory_order_relaxed, memory_order_relaxed));
    if (waited)
        atomic_fetch_add_explicit(&entry->carry, waited, memory_order_relaxed);
}

uint64_t contention_instant(void)
{
    return thread_local_state.ended ? 0 : arch_ticks();
}

uint64_t contention_take(const void *lock, uint64_t instant)
{
    struct entry *entry = find((uintptr_t)lock);
    uint64_t now = instant >> UNIT_SHIFT, waited, state;

    if (!entry || !instant)
        return 0;
    state = atomic_load_explicit(&entry->state, memory_order_relaxed);
    do {
        waited = uncharged(state, now);
        if (!waited)
            break;
    } while (!atomic_compare_exchange_weak_explicit(&entry->state, &state,
                                                    pack(state >> SUM_BITS, (state >> SUM_BITS) * now),
                                                    memory_order_relaxed, memory_order_relaxed));
    if (atomic_load_explicit(&entry->carry, memory_order_relaxed))
        waited += atomic_exchange_explicit(&entry->carry, 0, memory_order_relaxed);
    return waited << UNIT_SHIFT;
}

__attribute__((noinline)) void contention_released(const void *lock, uint64_t instant)
{
    uint64_t ticks = contention_take(lock, instant), fraction;
    struct segment *segment = ticks ? process_attached() : NULL;

    if (!segment)
        return;
    fraction = atomic_load_explicit(&segment->control.mutex_fraction, memory_order_relaxed);
    if (!fraction || fraction > UINT32_MAX || (event_random() >> 32) * fraction >> 32)
        return;
    event_record(KIND_MUTEX, fraction << WEIGHT_SHIFT, clock_ns(ticks) * fraction);
}

void contention_forget(void)
{
    memset(entries, 0, sizeof entries);
    memset(contention_filter, 0, sizeof contention_filter);
    generation++;
}
