/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each lock that is waited for, the table knows how long it was waited for in all, by all waiters
 * together, until any instant (the integral of their number):
 *
 *     departed + waiters * now - sum of their starts
 *
 * Waiters and sum are one word, which only waiters change: waiters << 48 | sum modulo 2^48, in units of 32
 * ticks. A release that finds waiters is charged with the integral's growth since `mark`, where the calling
 * thread got the lock. That is known of a thread that waited for the lock, and of one that is watched.
 *
 * Of libc's mutexes few releases are looked at (hooks/waits/locks.h): those that libc wakes a thread for, and
 * the next ones of the same thread, which may have the lock again before who was woken is there. As long as
 * they are long they all are, of short ones LOOKS. Where a holding is not looked at, what was waited
 * meanwhile is charged to the next one that is: a thread that is woken and finds the lock taken again waits
 * on, and so meets those who hold it in proportion to how long they do.
 *
 * What is waited while nobody has the lock, its waiters not awake yet, is no holder's. It is added to the
 * charges in proportion to these, so that their sum is what was waited, and their shares those of the
 * holders. After the last waiter's wait there is no further release: the one that ended it is charged then.
 */
#include "contention.h"

#include <string.h>
#include <sys/mman.h>

#include "condition.h"
#include "sampler/base/clock.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/process/process.h"
#include "sampler/samples/event.h"
#include "sampler/samples/sample_table.h"
#include "sampler/threads/thread_slots.h"
#include "sampler/threads/threads.h"

#include "sampler/base/poison.h"

enum {
    ENTRIES = 4096,
    WAYS = 8,
    MEAN_OF = 16,
    SPREAD_AFTER = 16,
    SPREAD_MOST = 16,
    SETTLE_MOST = 8,
    LOOKS = 4,
    WATCH_SHIFT = 10
};
static const uint64_t always_ns = 10000, long_ns = 5000;

struct entry {
    _Atomic uintptr_t lock; /* 0: never used. Stays when nobody waits, until another lock needs the place */
    _Atomic uint64_t state; /* waiters and sum of starts */
    _Atomic uint64_t departed; /* what those have waited who wait no more */
    _Atomic uint32_t expected; /* waiters for conditions, who will want this mutex */
    _Atomic uint8_t foreign;   /* 1: a thread of another process was seen to own it */
    _Atomic uint8_t proven;    /* 1: contention_prove() */

    /* Of whoever has the lock; readers who share it may change them at the same time. On a cache line of
       their own. */
    _Alignas(64) _Atomic uint64_t mark; /* of the integral: see above */
    _Atomic uint64_t charged;           /* of the integral */
    _Atomic uint64_t mass;              /* MEAN_OF usual charges, without what was added to them */
    _Atomic uint64_t last;              /* of those charges */
    _Atomic uint64_t released;          /* ticks: when the last */
    _Atomic uint32_t releases; /* that were charged, or are to be charged by those who were expected */
    _Atomic uint32_t recorded; /* the last of them that is recorded, as */
    _Atomic uint64_t event;    /* event_record()'s */
    _Atomic uint64_t events;   /* struct contention_charge's, of the last release */
    _Atomic uint64_t late_events, late_ns; /* to be added when that is recorded */
};

static struct entry entries[ENTRIES] __attribute__((aligned(LAYOUT_PAGE)));
static uint32_t generation;
static _Atomic bool was_used;
uint16_t contention_filter[CONTENTION_FILTER] __attribute__((aligned(LAYOUT_PAGE)));

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

/* What was waited until now. */
static uint64_t integral(struct entry *entry, uint64_t now)
{
    uint64_t departed = atomic_load_explicit(&entry->departed, memory_order_relaxed);
    return departed + contention_elapsed(atomic_load_explicit(&entry->state, memory_order_relaxed), now);
}

static bool is_used(struct entry *entry)
{
    return contention_count(atomic_load_explicit(&entry->state, memory_order_relaxed)) ||
           atomic_load_explicit(&entry->expected, memory_order_relaxed);
}

/* A place that was never used, else one that nobody waits at. A thread that registers there in this moment
   has its wait charged to the other lock: seldom, and of no consequence. */
static struct entry *claim(uintptr_t lock, bool take_idle)
{
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = way(lock, i);
        uintptr_t old = atomic_load_explicit(&entry->lock, memory_order_relaxed);
        if (old && old != lock && (!take_idle || is_used(entry)))
            continue;
        if (old != lock && atomic_compare_exchange_strong_explicit(
                               &entry->lock, &old, lock, memory_order_relaxed, memory_order_relaxed)) {
            uint64_t reached = integral(entry, contention_units(clock_ticks()));
            atomic_store_explicit(&entry->foreign, 0, memory_order_relaxed);
            atomic_store_explicit(&entry->proven, 0, memory_order_relaxed);
            atomic_store_explicit(&entry->mark, reached, memory_order_relaxed);
            atomic_store_explicit(&entry->charged, reached, memory_order_relaxed);
            atomic_store_explicit(&entry->releases, 0, memory_order_relaxed);
            atomic_store_explicit(&entry->recorded, 0, memory_order_relaxed);
            return entry;
        }
        if (old == lock)
            return entry;
    }
    return NULL;
}

/* Adds waiters, or takes some away, with the sum of their starts. false: more than can be counted. */
static bool change_waiters(struct entry *entry, int by, uint64_t starts)
{
    uint64_t state = atomic_load_explicit(&entry->state, memory_order_relaxed), changed;
    do {
        uint64_t count = contention_count(state);
        if (by > 0 && count + (unsigned)by > CONTENTION_MOST)
            return false;
        changed = contention_pack(count + (uint64_t)by, by > 0 ? state + starts : state - starts);
    } while (!atomic_compare_exchange_weak_explicit(&entry->state, &state, changed, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

uint32_t contention_add(const void *lock, uint32_t count, uint64_t now)
{
    struct entry *entry = find((uintptr_t)lock);

    if (!entry && !atomic_load_explicit(&was_used, memory_order_relaxed))
        atomic_store_explicit(&was_used, true, memory_order_relaxed);
    if (!entry)
        entry = claim((uintptr_t)lock, false);
    if (!entry)
        entry = claim((uintptr_t)lock, true);
    if (!entry || !change_waiters(entry, (int)count, count * now)) {
        process_count(COUNT_LOST_CONTENTION, count);
        return 0;
    }
    atomic_fetch_add_explicit(filter(lock), (uint16_t)count, memory_order_relaxed);
    return 1 + (uint32_t)(entry - entries);
}

const void *contention_lock(uint32_t at)
{
    return (const void *)atomic_load_explicit(&entries[at - 1].lock, memory_order_relaxed);
}

void contention_remove(uint32_t at, const void *lock, uint32_t count, uint64_t start, uint64_t end)
{
    struct entry *entry = &entries[at - 1];

    atomic_fetch_sub_explicit(filter(lock), (uint16_t)count, memory_order_relaxed);
    if (end > start)
        atomic_fetch_add_explicit(&entry->departed, count * (end - start), memory_order_relaxed);
    change_waiters(entry, -(int)count, count * start);
}

uint32_t contention_expect(const void *lock)
{
    uint32_t at = contention_add(lock, 0, 0);

    if (at) {
        atomic_fetch_add_explicit(&entries[at - 1].expected, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(filter(lock), 1, memory_order_relaxed);
    }
    return at;
}

void contention_expect_no_more(uint32_t at, const void *lock)
{
    if (at) {
        atomic_fetch_sub_explicit(&entries[at - 1].expected, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(filter(lock), 1, memory_order_relaxed);
    }
}

static void add_late(struct entry *entry, uint64_t event)
{
    uint64_t events = atomic_exchange_explicit(&entry->late_events, 0, memory_order_seq_cst);
    uint64_t ns = atomic_exchange_explicit(&entry->late_ns, 0, memory_order_seq_cst);
    if (events || ns)
        event_add(event, events, ns);
}

/* Adds to the last release, which stands for so many as it says. Who released may be recording it still, or
   have been preempted by the very thread that it woke: then it does that itself, when it comes to it. */
static void charge_last(struct entry *entry, uint32_t release, uint64_t events, uint64_t ns)
{
    uint64_t weight = atomic_load_explicit(&entry->events, memory_order_relaxed) >> WEIGHT_SHIFT;

    if (!weight)
        return;
    /* Sequentially consistent, with contention_record(): it stores `recorded`, then takes these; we add to
       these, then load `recorded`. One of us sees the other. */
    atomic_fetch_add_explicit(&entry->late_events, events * weight, memory_order_seq_cst);
    atomic_fetch_add_explicit(&entry->late_ns, ns * weight, memory_order_seq_cst);
    if (atomic_load_explicit(&entry->recorded, memory_order_seq_cst) == release)
        add_late(entry, atomic_load_explicit(&entry->event, memory_order_relaxed));
}

void contention_charge_late(uint32_t at, uint64_t ns, uint64_t now)
{
    struct entry *entry;
    uint32_t release;

    if (!at)
        return;
    entry = &entries[at - 1];
    release = atomic_load_explicit(&entry->releases, memory_order_relaxed);
    if (release && clock_ns_of(now - atomic_load_explicit(&entry->released, memory_order_relaxed)) < ns)
        charge_last(entry, release, UINT64_C(1) << WEIGHT_SHIFT, ns);
}

void contention_begin(struct contention *contention, const void *lock)
{
    struct thread_local_state *self = &thread_local_state;

    contention->entry = 0;
    contention->lock = lock;
    contention->start = contention->end = 0;
    if (!(process_wanted() & 1u << PROFILE_MUTEX) || self->ended)
        return;
    contention->start = clock_ticks();
    contention->entry = contention_add(lock, 1, contention_units(contention->start));
    if (!contention->entry)
        return;
    contention->generation = generation;
    contention->abandons = self->abandons;
    contention->outer_at = self->waits_at;
    contention->outer_since = self->waits_since;
    self->waits_since = contention->start;
    self->waits_at = (uint16_t)contention->entry;
}

void contention_prove(const struct contention *contention)
{
    if (contention->entry && contention->generation == generation)
        atomic_store_explicit(&entries[contention->entry - 1].proven, 1, memory_order_relaxed);
}

bool contention_is_proven(const void *lock)
{
    struct entry *entry = find((uintptr_t)lock);
    return entry && atomic_load_explicit(&entry->proven, memory_order_relaxed);
}

/*
 * What of the time that nobody held the lock is added to a charge. Of all that is left, so much as the charge
 * is of SPREAD_MOST usual ones, which keeps shares as they are. A lock that was waited for a few times only
 * may never be waited for again, so there it is more.
 */
static uint64_t added(struct entry *entry, uint64_t charge, uint64_t left)
{
    uint64_t mass = atomic_load_explicit(&entry->mass, memory_order_relaxed);
    uint32_t spread = 1 + atomic_load_explicit(&entry->releases, memory_order_relaxed) / SPREAD_AFTER;
    double part;

    if (spread > SPREAD_MOST)
        spread = SPREAD_MOST;
    part = (double)charge * MEAN_OF / ((double)spread * (double)(mass + !mass));
    return part < 1 ? (uint64_t)((double)left * part) : left;
}

static uint64_t positive(uint64_t later, uint64_t earlier)
{
    return later > earlier && later - earlier < UINT64_C(1) << 63 ? later - earlier : 0;
}

/* The calling thread has got the lock, and nobody else waits for it: what the waits took from the last
   release on is charged to that. */
static void settle(struct entry *entry, uint64_t reached)
{
    uint64_t charged = atomic_load_explicit(&entry->charged, memory_order_relaxed);
    uint64_t left = positive(reached, charged), part;
    uint64_t last = atomic_load_explicit(&entry->last, memory_order_relaxed);
    uint32_t release = atomic_load_explicit(&entry->releases, memory_order_relaxed);

    if (!left || !release)
        return;
    /* That was drawn by its own length, and may stand for many: much more would make the sum scatter. */
    part = added(entry, last, left);
    if (part > last * SETTLE_MOST)
        part = last * SETTLE_MOST;
    if (atomic_compare_exchange_strong_explicit(&entry->charged, &charged, charged + part,
                                                memory_order_relaxed, memory_order_relaxed))
        charge_last(entry, release, 0, clock_ns_of(part << CONTENTION_UNIT_SHIFT));
}

/* The calling thread has had the lock since then. */
static void watch(const void *lock, uint64_t since)
{
    struct thread_local_state *self = &thread_local_state;

    if (self->watched != lock)
        self->looks = LOOKS;
    self->watched = lock;
    self->watched_from = (uint16_t)(since >> WATCH_SHIFT);
}

void contention_end(struct contention *contention, enum contention_outcome outcome)
{
    struct entry *entry;
    uint64_t reached, end;

    if (!contention->entry || contention->generation != generation)
        return;
    entry = &entries[contention->entry - 1];
    contention->end = clock_ticks();
    end = contention_units(contention->end);
    if (thread_local_state.abandons == contention->abandons) {
        contention_remove(contention->entry, contention->lock, 1, contention_units(contention->start), end);
        thread_local_state.waits_at = contention->outer_at;
        thread_local_state.waits_since = contention->outer_since;
    }
    if (outcome == CONTENTION_FAILED)
        return;
    reached = integral(entry, end);
    if (outcome == CONTENTION_OWNS) {
        atomic_store_explicit(&entry->mark, reached, memory_order_relaxed);
        watch(contention->lock, contention->end);
    }
    if (!contention_count(atomic_load_explicit(&entry->state, memory_order_relaxed)))
        settle(entry, reached);
}

void contention_acquired(const void *lock)
{
    struct entry *entry = find((uintptr_t)lock);
    uint64_t now = clock_ticks();

    if (!contention_is_waited_for(lock))
        thread_local_state.watched = NULL;
    else
        watch(lock, now);
    if (entry)
        atomic_store_explicit(&entry->mark, integral(entry, contention_units(now)), memory_order_relaxed);
}

/* The calling thread is releasing the lock. Its next holding is looked at, too, unless the last ones were
   brief: true, this one is known to be. */
static bool watch_next(const void *lock, uint64_t now)
{
    struct thread_local_state *self = &thread_local_state;
    uint16_t held = (uint16_t)((now >> WATCH_SHIFT) - self->watched_from);
    bool is_brief = self->watched == lock && clock_ns_of((uint64_t)held << WATCH_SHIFT) < long_ns;

    if (!is_brief)
        self->looks = LOOKS;
    else if (self->looks)
        self->looks--;
    self->watched = self->looks ? lock : NULL;
    return is_brief;
}

static bool is_own_thread(const struct segment *segment, int tid)
{
    uint32_t used = atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed);

    for (uint32_t slot = 1; slot < used && slot < LAYOUT_THREADS; slot++)
        if (atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed) == tid)
            return true;
    return false;
}

void contention_owned_by(const struct contention *contention, int tid)
{
    struct segment *segment = process_attached();
    struct entry *entry;

    if (!contention->entry || contention->generation != generation || !segment || tid <= 0)
        return;
    entry = &entries[contention->entry - 1];
    if (!atomic_load_explicit(&entry->foreign, memory_order_relaxed) && !is_own_thread(segment, tid))
        atomic_store_explicit(&entry->foreign, 1, memory_order_relaxed);
}

void contention_abandon(void)
{
    uint32_t at = thread_local_state.waits_at;

    if (!at)
        return;
    if (at >= WAITS_AT_CONDITION)
        condition_abandon(at);
    else
        contention_remove(at, contention_lock(at), 1, contention_units(thread_local_state.waits_since),
                          contention_units(clock_ticks()));
    thread_local_state.waits_at = 0;
    thread_local_state.abandons++;
}

/*
 * How many releases this one is to stand for, in 1 / 2^WEIGHT_SHIFT; 0: it is not recorded. One in fraction
 * of those that made their waiters wait for 10 us on average, and of others more or fewer, as they are longer
 * or shorter: holders that were preempted, or wait themselves, are few and make most of the sum, which would
 * otherwise scatter, and to record a short one would take longer than it.
 */
static uint64_t draw(uint64_t fraction, uint64_t ns, uint64_t waiters)
{
    uint64_t weight = fraction, one = UINT64_C(1) << WEIGHT_SHIFT;

    if (fraction > 1)
        weight = fraction * always_ns / (ns / waiters + 1);
    if (weight <= 1)
        return fraction ? one : 0;
    return (uint64_t)((unsigned __int128)event_random() * weight >> 64) ? 0 : weight * one;
}

/* In units. Of a lock that other processes hold, too, the rest was waited for them. */
static uint64_t take_charge(struct entry *entry, uint64_t reached, bool is_shared)
{
    uint64_t charge =
        positive(reached, atomic_exchange_explicit(&entry->mark, reached, memory_order_relaxed));
    uint64_t mass = atomic_load_explicit(&entry->mass, memory_order_relaxed), left;

    if (!charge)
        return 0;
    mass = mass ? mass - mass / MEAN_OF + charge : charge * MEAN_OF;
    atomic_store_explicit(&entry->mass, mass, memory_order_relaxed);
    atomic_store_explicit(&entry->last, charge, memory_order_relaxed);
    left = positive(reached, atomic_load_explicit(&entry->charged, memory_order_relaxed) + charge);
    if (is_shared || atomic_load_explicit(&entry->foreign, memory_order_relaxed)) {
        atomic_store_explicit(&entry->charged, reached, memory_order_relaxed);
        return charge;
    }
    charge += added(entry, charge, left);
    atomic_fetch_add_explicit(&entry->charged, charge, memory_order_relaxed);
    return charge;
}

/* This release's number. It stands for so many; 0: it is not recorded. */
static uint32_t note_release(struct entry *entry, uint64_t events, uint64_t now)
{
    uint32_t number = atomic_load_explicit(&entry->releases, memory_order_relaxed) + 1;

    number += !number;
    atomic_store_explicit(&entry->releases, number, memory_order_relaxed);
    atomic_store_explicit(&entry->released, now, memory_order_relaxed);
    atomic_store_explicit(&entry->events, events, memory_order_relaxed);
    return events ? number : 0;
}

void contention_charge(struct contention_charge *charge, const void *lock, bool is_shared)
{
    struct entry *entry = thread_local_state.ended ? NULL : find((uintptr_t)lock);
    struct segment *segment = process_attached();
    uint64_t now = clock_ticks(), units, waiters, fraction, one = UINT64_C(1) << WEIGHT_SHIFT;
    bool is_brief;

    charge->release = 0;
    if (!entry || !segment)
        return;
    is_brief = watch_next(lock, now);
    charge->entry = (uint32_t)(entry - entries);
    charge->ns = charge->events = 0;
    units = take_charge(entry, integral(entry, contention_units(now)), is_shared);
    fraction = atomic_load_explicit(&segment->control.mutex_fraction, memory_order_relaxed);
    fraction = fraction < UINT32_MAX ? fraction : UINT32_MAX;
    if (units) {
        waiters = contention_count(atomic_load_explicit(&entry->state, memory_order_relaxed));
        charge->ns = clock_ns_of(units << CONTENTION_UNIT_SHIFT);
        charge->events = draw(fraction, charge->ns, waiters + !waiters);
        charge->ns *= charge->events >> WEIGHT_SHIFT;
        charge->release = note_release(entry, charge->events, now);
    } else if (fraction && !is_brief && atomic_load_explicit(&entry->expected, memory_order_relaxed)) {
        charge->release = note_release(entry, one, now);
    }
}

__attribute__((noinline)) void contention_record(const struct contention_charge *charge,
                                                 enum wait_kind function)
{
    struct entry *entry = &entries[charge->entry];
    uint64_t event;

    if (!charge->release)
        return;
    event = event_record(KIND_MUTEX, function, charge->events, charge->ns);
    if (atomic_load_explicit(&entry->releases, memory_order_relaxed) == charge->release) {
        atomic_store_explicit(&entry->event, event, memory_order_relaxed);
        atomic_store_explicit(&entry->recorded, charge->release,
                              memory_order_seq_cst); /* see charge_last() */
    }
    add_late(entry, event);
}

void contention_clear(void *table, size_t size)
{
    if (!seccomp_allows(CALL(madvise)) || sys_call(SYS_madvise, table, size, MADV_DONTNEED))
        memset(table, 0, size);
}

void contention_forget(void)
{
    generation++;
    thread_local_state.waits_at = 0;
    condition_forget();
    if (!atomic_exchange_explicit(&was_used, false, memory_order_relaxed))
        return;
    contention_clear(entries, sizeof entries);
    contention_clear(contention_filter, sizeof contention_filter);
}
