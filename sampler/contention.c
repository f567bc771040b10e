/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each lock that is waited for, the table knows how long it was waited for in all, by all waiters
 * together, until any instant (the integral of their number):
 *
 *     departed + waiters * now - sum of their starts
 *
 * A holder reads it when it gets the lock and when it gives it up; the difference is what it is charged with.
 * Only waiters change the sums, so a hot lock's holders do not wait for each other here, too. Waiters and sum
 * are one word, changed by compare-and-swap: waiters << 48 | sum modulo 2^48, in units of 32 ticks.
 *
 * `mark` belongs to whoever has the lock: the integral at the last change of hands. What was waited between a
 * release and the next acquisition (the lock was free, its waiters not awake yet) is nobody's holding; it is
 * put into `spread` and charged in proportion with later holdings, so that the sum is what was waited.
 *
 * One release in mutex_fraction is recorded, and more of the long ones, up to each that made its waiters wait
 * for mutex_fraction * 10 us on average: holders that were preempted, or wait themselves, are few and make
 * most of the sum, which would otherwise scatter.
 *
 * A lock that is held for less than a microsecond, again and again while others sleep, would lose much of its
 * throughput to two looks at the clock. After SHORT_RUN of such holdings one in SHORT_STRIDE is looked at,
 * and counts for all, until a longer one is met.
 */
#include "contention.h"

#include <string.h>

#include "clock.h"
#include "event.h"
#include "process.h"
#include "record.h"
#include "threads.h"

#include "poison.h"

enum {
    ENTRIES = 4096,
    WAYS = 8,
    UNIT_SHIFT = 5,
    SUM_BITS = 48,
    MOST_WAITERS = 0xffff,
    SHORT_STRIDE = 16,
    SHORT_RUN = 64
};
static const uint64_t always_ns = 10000, short_ns = 1000;
static const uint64_t sum_mask = (UINT64_C(1) << SUM_BITS) - 1;

struct entry {
    _Atomic uintptr_t lock; /* 0: never used. Stays when nobody waits, until another lock needs the place */
    _Atomic uint64_t state; /* waiters and sum of starts */
    _Atomic uint64_t departed; /* what those have waited who wait no more */
    _Atomic uint64_t mark;     /* integral << 1 | drawn; or */
    _Atomic uint64_t spread;
    _Atomic uint64_t shorts; /* short holdings in a row, of those that were looked at; SHORT_RUN at most */
    uint64_t unused[2];
};

/* Marks of a holding that is not looked at, and of a lock that is free after one. */
#define NOT_DRAWN UINT64_MAX
#define UNKNOWN   (UINT64_MAX - 1)

static struct entry entries[ENTRIES] __attribute__((aligned(64)));
static uint32_t generation;
uint16_t contention_filter[CONTENTION_FILTER];

static _Atomic uint16_t *filter(const void *lock)
{
    return (_Atomic uint16_t *)&contention_filter[contention_filter_index(lock)];
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

static uint64_t pack(uint64_t waiters, uint64_t sum)
{
    return waiters << SUM_BITS | (sum & sum_mask);
}

/* What was waited until now. A start ahead of now, of another processor's clock, counts as now. */
static uint64_t integral(struct entry *entry, uint64_t now)
{
    uint64_t departed = atomic_load_explicit(&entry->departed, memory_order_relaxed);
    uint64_t state = atomic_load_explicit(&entry->state, memory_order_relaxed);
    uint64_t units = ((state >> SUM_BITS) * now - state) & sum_mask;
    return departed + (units >> (SUM_BITS - 1) ? 0 : units);
}

static uint64_t now_units(void)
{
    return clock_ticks() >> UNIT_SHIFT;
}

/* A place that was never used, else one that nobody waits at. A thread that registers there in this moment
   has its wait charged to the other lock: seldom, and of no consequence. */
static struct entry *claim(uintptr_t lock, bool take_idle)
{
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = way(lock, i);
        uintptr_t old = atomic_load_explicit(&entry->lock, memory_order_relaxed);
        if (old && old != lock &&
            (!take_idle || atomic_load_explicit(&entry->state, memory_order_relaxed) >> SUM_BITS))
            continue;
        if (old != lock && atomic_compare_exchange_strong_explicit(
                               &entry->lock, &old, lock, memory_order_relaxed, memory_order_relaxed)) {
            atomic_store_explicit(&entry->spread, 0, memory_order_relaxed);
            atomic_store_explicit(&entry->mark, integral(entry, now_units()) << 1, memory_order_relaxed);
            return entry;
        }
        if (old == lock)
            return entry;
    }
    return NULL;
}

/* Adds a waiter, or takes one away, with its start. false: there are as many as can be counted. */
static bool change_waiters(struct entry *entry, int by, uint64_t start)
{
    uint64_t state = atomic_load_explicit(&entry->state, memory_order_relaxed), changed;
    do {
        if (by > 0 && state >> SUM_BITS == MOST_WAITERS)
            return false;
        changed = pack((state >> SUM_BITS) + (uint64_t)by, by > 0 ? state + start : state - start);
    } while (!atomic_compare_exchange_weak_explicit(&entry->state, &state, changed, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void contention_begin(struct contention *contention, const void *lock)
{
    struct entry *entry;

    contention->entry = 0;
    contention->lock = lock;
    if (!(process_wanted() & 1u << PROFILE_MUTEX) || thread_local_state.ended)
        return;
    entry = find((uintptr_t)lock);
    if (!entry)
        entry = claim((uintptr_t)lock, false);
    if (!entry)
        entry = claim((uintptr_t)lock, true);
    contention->start = now_units();
    if (!entry || !change_waiters(entry, 1, contention->start)) {
        process_count(COUNT_LOST_CONTENTION, 1);
        return;
    }
    contention->entry = 1 + (uint32_t)(entry - entries);
    contention->generation = generation;
    atomic_fetch_add_explicit(filter(lock), 1, memory_order_relaxed);
}

void contention_end(struct contention *contention, bool acquired)
{
    struct entry *entry;
    uint64_t now;

    if (!contention->entry || contention->generation != generation)
        return;
    entry = &entries[contention->entry - 1];
    now = now_units();
    atomic_fetch_sub_explicit(filter(contention->lock), 1, memory_order_relaxed);
    if (now > contention->start)
        atomic_fetch_add_explicit(&entry->departed, now - contention->start, memory_order_relaxed);
    change_waiters(entry, -1, contention->start);
    if (acquired)
        contention_acquired(contention->lock);
}

static uint64_t positive(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0;
}

__attribute__((noinline)) void contention_acquired(const void *lock)
{
    struct entry *entry = thread_local_state.ended ? NULL : find((uintptr_t)lock);
    uint64_t reached, before, is_short;

    if (!entry)
        return;
    is_short = atomic_load_explicit(&entry->shorts, memory_order_relaxed) == SHORT_RUN;
    if (is_short && event_random() % SHORT_STRIDE) {
        atomic_store_explicit(&entry->mark, NOT_DRAWN, memory_order_relaxed);
        return;
    }
    reached = integral(entry, now_units());
    before = atomic_load_explicit(&entry->mark, memory_order_relaxed);
    atomic_store_explicit(&entry->mark, reached << 1 | is_short, memory_order_relaxed);
    if (before < UNKNOWN && reached > before >> 1)
        atomic_fetch_add_explicit(&entry->spread, (reached - (before >> 1)) * (is_short ? SHORT_STRIDE : 1),
                                  memory_order_relaxed);
}

/* What else was waited, to a quarter of the charge at most: long holdings so take more of it than short ones.
 */
static uint64_t take_spread(struct entry *entry, uint64_t charge)
{
    uint64_t spread = atomic_load_explicit(&entry->spread, memory_order_relaxed);
    uint64_t share = spread < charge / 4 ? spread : charge / 4;
    if (share)
        atomic_fetch_sub_explicit(&entry->spread, share, memory_order_relaxed);
    return share;
}

/* How many releases this one is to stand for, in 1 / 2^WEIGHT_SHIFT; 0: it is not recorded. */
static uint64_t draw(uint64_t fraction, uint64_t waited, uint64_t waiters)
{
    uint64_t ns = clock_ns_of((waited << UNIT_SHIFT) / waiters), one = UINT64_C(1) << WEIGHT_SHIFT;
    uint64_t weight = fraction;
    if (ns > always_ns)
        weight = fraction * always_ns / ns;
    if (weight <= 1 || fraction > UINT32_MAX)
        return fraction && fraction <= UINT32_MAX ? one : 0;
    return (event_random() >> 32) * weight >> 32 ? 0 : weight * one;
}

/* Sets the mark to now and returns what was waited since. A lock that was free with an unknown mark was got
   when nobody waited: all who wait came since. */
static uint64_t advance(struct entry *entry, uint64_t before)
{
    uint64_t reached = integral(entry, now_units());
    if (before == UNKNOWN)
        before = atomic_load_explicit(&entry->departed, memory_order_relaxed) << 1;
    atomic_store_explicit(&entry->mark, reached << 1, memory_order_relaxed);
    return positive(reached, before >> 1);
}

static void count_short(struct entry *entry, bool is_short)
{
    uint64_t run = atomic_load_explicit(&entry->shorts, memory_order_relaxed);
    if (!is_short)
        run = 0;
    else if (run < SHORT_RUN)
        run++;
    atomic_store_explicit(&entry->shorts, run, memory_order_relaxed);
}

struct contention_charge contention_charge(const void *lock)
{
    struct contention_charge charge = {0, 0};
    struct entry *entry = thread_local_state.ended ? NULL : find((uintptr_t)lock);
    struct segment *segment;
    uint64_t before, waited, waiters;

    if (!entry)
        return charge;
    before = atomic_load_explicit(&entry->mark, memory_order_relaxed);
    if (before == NOT_DRAWN) {
        atomic_store_explicit(&entry->mark, UNKNOWN, memory_order_relaxed);
        return charge;
    }
    waited = advance(entry, before);
    segment = process_attached();
    if (!waited || !segment)
        return charge;
    waiters = atomic_load_explicit(&entry->state, memory_order_relaxed) >> SUM_BITS;
    waiters += !waiters;
    count_short(entry, clock_ns_of((waited << UNIT_SHIFT) / waiters) < short_ns);
    charge.events =
        draw(atomic_load_explicit(&segment->control.mutex_fraction, memory_order_relaxed), waited, waiters);
    if (before != UNKNOWN && before & 1)
        charge.events *= SHORT_STRIDE;
    if (charge.events) {
        waited = (waited * charge.events) >> WEIGHT_SHIFT;
        charge.ticks = (waited + take_spread(entry, waited)) << UNIT_SHIFT;
    }
    return charge;
}

__attribute__((noinline)) void contention_record(struct contention_charge charge)
{
    if (charge.events)
        event_record(KIND_MUTEX, charge.events, clock_ns_of(charge.ticks));
}

void contention_forget(void)
{
    memset(entries, 0, sizeof entries);
    memset(contention_filter, 0, sizeof contention_filter);
    generation++;
}
