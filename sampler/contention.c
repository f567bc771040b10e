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
 * `mark` belongs to whoever has the lock: the integral when it was got. What was waited between a release and
 * the next acquisition (the lock was free, its waiters not awake yet) is nobody's holding; nor are those that
 * are not looked at. What the sum of charges lacks (or, those being estimates, has too much) of the integral
 * goes into later charges, so that the sum is what was waited, and in proportion to them, so that shares stay
 * what they are: each takes a part of it as it is part of the last charges together (`mass`).
 *
 * A lock that is taken may be free again before a waiter is registered, which takes as long as many a lock is
 * held, and makes everybody else look at the table. So a waiter first spins for some hundred ns. What is
 * waited there counts, too: of those waits one in SPIN_STRIDE is registered from the start, as that many
 * waiters, until it turns out to be a longer one, which count one by one.
 *
 * One release in mutex_fraction is recorded, and more of the long ones, up to each that made its waiters wait
 * for mutex_fraction * 10 us on average: holders that were preempted, or wait themselves, are few and make
 * most of the sum, which would otherwise scatter.
 *
 * A lock that is held for less than a microsecond, again and again while others sleep, would lose much of its
 * throughput to two looks at the clock and at a table that others write to. After SHORT_RUN of such holdings
 * a thread looks at one in SHORT_STRIDE, which counts for all, until a longer one is met.
 */
#include "contention.h"

#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "condition.h"
#include "event.h"
#include "process.h"
#include "record.h"
#include "seccomp.h"
#include "slots.h"
#include "sys.h"
#include "threads.h"

#include "poison.h"

enum { ENTRIES = 4096, WAYS = 8, SHORT_STRIDE = 16, SHORT_RUN = 64 };
enum { MASS_SHIFT = 4, SPIN_STRIDE = 16, SPINS = 3, SPIN_PAUSES = 64 };
static const uint64_t always_ns = 10000, short_ns = 1000, spin_ns = 200;

struct entry {
    _Atomic uintptr_t lock; /* 0: never used. Stays when nobody waits, until another lock needs the place */
    _Atomic uint64_t state; /* waiters and sum of starts */
    _Atomic uint64_t departed; /* what those have waited who wait no more */
    _Atomic uint64_t mark;     /* integral << MARK_SHIFT | enum mark */
    _Atomic uint64_t charged;  /* of the integral: to whom it may concern */
    _Atomic uint64_t mass;     /* of the last charges, each lap of them by 1 / 2^MASS_SHIFT less */
    _Atomic uint32_t spinners; /* of the waiters, those that stand for SPIN_STRIDE */
    _Atomic uint32_t shorts;   /* short holdings in a row, of those that were looked at; SHORT_RUN at most */
    _Atomic uint8_t foreign;   /* 1: a thread of another process was seen to own it */
    _Atomic uint8_t proven;    /* 1: contention_prove() */
};

/* RELEASED: the mark is of the last release that was looked at; who has the lock now got it when nobody
   waited, or shares it. */
enum mark { MARK_RELEASED = 1, MARK_SHIFT = 1 };

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

/* A place that was never used, else one that nobody waits at. A thread that registers there in this moment
   has its wait charged to the other lock: seldom, and of no consequence. */
static struct entry *claim(uintptr_t lock, bool take_idle)
{
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = way(lock, i);
        uintptr_t old = atomic_load_explicit(&entry->lock, memory_order_relaxed);
        if (old && old != lock &&
            (!take_idle || atomic_load_explicit(&entry->state, memory_order_relaxed) >> CONTENTION_SUM_BITS))
            continue;
        if (old != lock && atomic_compare_exchange_strong_explicit(
                               &entry->lock, &old, lock, memory_order_relaxed, memory_order_relaxed)) {
            uint64_t reached = integral(entry, contention_units(clock_ticks()));
            atomic_store_explicit(&entry->charged, reached, memory_order_relaxed);
            atomic_store_explicit(&entry->mass, 0, memory_order_relaxed);
            atomic_store_explicit(&entry->foreign, 0, memory_order_relaxed);
            atomic_store_explicit(&entry->proven, 0, memory_order_relaxed);
            atomic_store_explicit(&entry->mark, reached << MARK_SHIFT | MARK_RELEASED, memory_order_relaxed);
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
    if (count > 1)
        atomic_fetch_sub_explicit(&entry->spinners, 1, memory_order_relaxed);
}

static void enter(struct contention *contention, uint8_t count)
{
    struct thread_local_state *self = &thread_local_state;

    contention->entry = contention_add(contention->lock, count, contention_units(contention->start));
    if (!contention->entry)
        return;
    if (count > 1)
        atomic_fetch_add_explicit(&entries[contention->entry - 1].spinners, 1, memory_order_relaxed);
    contention->count = count;
    contention->generation = generation;
    contention->abandons = self->abandons;
    contention->outer_at = self->waits_at;
    contention->outer_since = self->waits_since;
    self->waits_since = contention->start;
    self->waits_at = (uint16_t)(contention->entry | (count > 1 ? WAITS_AS_MANY : 0));
}

/* Of how many waits that may be short this one is to be registered from the start; 0: it is not. Each of them
   where each is to be recorded. */
static unsigned draw_spin(struct thread_local_state *self)
{
    struct segment *segment = process_attached();

    if (segment && atomic_load_explicit(&segment->control.mutex_fraction, memory_order_relaxed) == 1)
        return 1;
    if (self->spins) {
        self->spins--;
        return 0;
    }
    self->spins = (uint8_t)((event_random() >> 32) % (2 * SPIN_STRIDE - 1));
    return SPIN_STRIDE;
}

static void begin(struct contention *contention, const void *lock, bool may_be_short)
{
    unsigned count = 1;

    contention->entry = 0;
    contention->spins = 0;
    contention->lock = lock;
    contention->start = contention->end = 0;
    if (!(process_wanted() & 1u << PROFILE_MUTEX) || thread_local_state.ended)
        return;
    if (may_be_short)
        count = draw_spin(&thread_local_state);
    contention->start = clock_ticks();
    if (count)
        enter(contention, (uint8_t)count);
}

void contention_begin(struct contention *contention, const void *lock)
{
    begin(contention, lock, true);
}

void contention_begin_long(struct contention *contention, const void *lock)
{
    begin(contention, lock, false);
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

/* It is a long wait: of those each is one. */
static void become_one(struct contention *contention)
{
    uint64_t start = contention_units(contention->start);
    uint32_t others = contention->count - 1u;

    if (!contention->entry) {
        enter(contention, 1);
        return;
    }
    if (!others || contention->generation != generation ||
        thread_local_state.abandons != contention->abandons)
        return;
    contention_remove(contention->entry, contention->lock, others, start, start);
    contention->count = 1;
    thread_local_state.waits_at = (uint16_t)contention->entry;
}

static uint64_t spin_ticks(void)
{
    static _Atomic uint64_t known;
    uint64_t ticks = atomic_load_explicit(&known, memory_order_relaxed);
    if (!ticks) {
        ticks = (spin_ns << 20) / (clock_ns_of(UINT64_C(1) << 20) + 1);
        atomic_store_explicit(&known, ticks, memory_order_relaxed);
    }
    return ticks;
}

bool contention_spin(struct contention *contention)
{
    uint64_t ticks;

    if (!contention->start)
        return false;
    if (contention->spins == SPINS) {
        become_one(contention);
        return false;
    }
    ticks = ++contention->spins * spin_ticks();
    for (int i = 0; i < SPIN_PAUSES && clock_ticks() - contention->start < ticks; i++)
        arch_pause();
    return true;
}

void contention_end(struct contention *contention, bool acquired)
{
    if (!contention->entry) {
        if (acquired && contention_is_waited_for(contention->lock))
            contention_acquired(contention->lock);
        return;
    }
    if (contention->generation != generation)
        return;
    contention->end = clock_ticks();
    if (thread_local_state.abandons == contention->abandons) {
        contention_remove(contention->entry, contention->lock, contention->count,
                          contention_units(contention->start), contention_units(contention->end));
        thread_local_state.waits_at = contention->outer_at;
        thread_local_state.waits_since = contention->outer_since;
    }
    if (acquired)
        contention_acquired_at(contention->lock, contention->end);
}

/* Slots are many: those of threads that owned such a lock are remembered. */
static bool is_own_thread(const struct segment *segment, int tid)
{
    enum { KNOWN = 64 };
    static _Atomic uint32_t known[KNOWN];
    uint32_t used = atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed);
    uint32_t slot = atomic_load_explicit(&known[(unsigned)tid % KNOWN], memory_order_relaxed);

    if (slot && atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed) == tid)
        return true;
    for (slot = 1; slot < used && slot < LAYOUT_THREADS; slot++) {
        if (atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed) != tid)
            continue;
        atomic_store_explicit(&known[(unsigned)tid % KNOWN], slot, memory_order_relaxed);
        return true;
    }
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
    uint32_t at = thread_local_state.waits_at, count = at & WAITS_AS_MANY ? SPIN_STRIDE : 1;

    if (!at)
        return;
    if (at >= WAITS_AT_CONDITION) {
        condition_abandon(at);
    } else {
        at &= ~(uint32_t)WAITS_AS_MANY;
        contention_remove(at, contention_lock(at), count, contention_units(thread_local_state.waits_since),
                          contention_units(clock_ticks()));
    }
    thread_local_state.waits_at = 0;
    thread_local_state.abandons++;
}

static uint64_t positive(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0;
}

/* Draws how many of the thread's next holdings are not looked at, and, where it comes from another lock,
   whether this one is not, either: true. */
static bool skip_some(struct thread_local_state *self, const void *lock)
{
    uint64_t random = event_random();
    bool is_other = self->skip_lock != lock;

    self->skip_lock = lock;
    self->skips = (uint8_t)((random >> 32) % (2 * SHORT_STRIDE - 1));
    self->holding = is_other && random >> 8 & (SHORT_STRIDE - 1) ? HOLDING_SKIPPED : HOLDING_DRAWN;
    return self->holding == HOLDING_SKIPPED;
}

/* now: ticks, or 0. */
__attribute__((noinline)) void contention_look(const void *lock, uint64_t now)
{
    struct thread_local_state *self = &thread_local_state;
    struct entry *entry = self->ended ? NULL : find((uintptr_t)lock);
    uint64_t reached, is_short;

    if (!entry)
        return;
    is_short = atomic_load_explicit(&entry->shorts, memory_order_relaxed) == SHORT_RUN;
    if (is_short && skip_some(self, lock))
        return;
    reached = integral(entry, contention_units(now ? now : clock_ticks()));
    atomic_store_explicit(&entry->mark, reached << MARK_SHIFT, memory_order_relaxed);
}

/* What the charge is to be, so that the sum of all comes to what was waited, that until now and this time
   included. What drawing it adds is left to later ones: who is drawn seldom would lose it again at once. Of a
   lock that other processes hold, too, the rest was waited for them. */
static uint64_t balance(struct entry *entry, uint64_t charge, uint64_t waited, uint64_t reached,
                        bool is_shared)
{
    uint64_t charged = atomic_load_explicit(&entry->charged, memory_order_relaxed);
    uint64_t mass = atomic_load_explicit(&entry->mass, memory_order_relaxed);
    int64_t lacks = (int64_t)(reached - charged - waited), more;

    atomic_store_explicit(&entry->mass, mass + charge - (mass >> MASS_SHIFT), memory_order_relaxed);
    if (is_shared) {
        atomic_store_explicit(&entry->charged, reached, memory_order_relaxed);
        return charge;
    }
    more = charge < mass ? (int64_t)((double)lacks * ((double)charge / (double)mass)) : lacks;
    charge = more < 0 && charge < (uint64_t)-more ? 0 : charge + (uint64_t)more;
    atomic_store_explicit(&entry->charged, charged + charge, memory_order_relaxed);
    return charge;
}

/* How many releases this one is to stand for, in 1 / 2^WEIGHT_SHIFT; 0: it is not recorded. */
static uint64_t draw(uint64_t fraction, uint64_t waited, uint64_t waiters)
{
    uint64_t ns = clock_ns_of((waited << CONTENTION_UNIT_SHIFT) / waiters), one = UINT64_C(1) << WEIGHT_SHIFT;
    uint64_t weight = fraction;
    if (ns > always_ns)
        weight = fraction * always_ns / ns;
    if (weight <= 1)
        return one;
    return (uint64_t)((unsigned __int128)event_random() * weight >> 64) ? 0 : weight * one;
}

static void count_short(struct entry *entry, bool is_short)
{
    uint32_t run = atomic_load_explicit(&entry->shorts, memory_order_relaxed);
    if (!is_short)
        run = 0;
    else if (run < SHORT_RUN)
        run++;
    atomic_store_explicit(&entry->shorts, run, memory_order_relaxed);
}

/* The integral from which on the holder is charged. One that got the lock when nobody waited, or shares it,
   is charged with what came after the last release; if others since were not looked at, with those who wait
   now.
 */
static uint64_t since(struct entry *entry, uint64_t mark)
{
    uint64_t departed = atomic_load_explicit(&entry->departed, memory_order_relaxed);
    bool may_be_old =
        mark & MARK_RELEASED && atomic_load_explicit(&entry->shorts, memory_order_relaxed) == SHORT_RUN;
    return may_be_old && mark >> MARK_SHIFT < departed ? departed : mark >> MARK_SHIFT;
}

static enum holding end_holding(const void *lock)
{
    struct thread_local_state *self = &thread_local_state;
    enum holding holding = HOLDING_NONE;

    if (self->skip_lock == lock) {
        holding = self->holding;
        self->holding = HOLDING_NONE;
    }
    return holding;
}

struct contention_charge contention_charge(const void *lock, bool is_shared)
{
    struct contention_charge charge = {0, 0};
    struct entry *entry = thread_local_state.ended ? NULL : find((uintptr_t)lock);
    struct segment *segment = process_attached();
    uint64_t before, reached, waited, waiters, fraction;
    enum holding holding = end_holding(lock);

    if (!entry || !segment)
        return charge;
    before = atomic_load_explicit(&entry->mark, memory_order_relaxed);
    reached = integral(entry, contention_units(clock_ticks()));
    atomic_store_explicit(&entry->mark, reached << MARK_SHIFT | MARK_RELEASED, memory_order_relaxed);
    waited = positive(reached, since(entry, before));
    fraction = atomic_load_explicit(&segment->control.mutex_fraction, memory_order_relaxed);
    fraction = fraction < UINT32_MAX ? fraction : UINT32_MAX;
    if (!fraction)
        atomic_store_explicit(&entry->charged, reached, memory_order_relaxed);
    if (!waited || !fraction)
        return charge;
    is_shared |= atomic_load_explicit(&entry->foreign, memory_order_relaxed);
    waiters = contention_count(atomic_load_explicit(&entry->state, memory_order_relaxed));
    waiters += !waiters;
    count_short(entry, clock_ns_of((waited << CONTENTION_UNIT_SHIFT) / waiters) < short_ns);
    charge.events = draw(fraction, waited, waiters) * (holding == HOLDING_DRAWN ? SHORT_STRIDE : 1);
    if (charge.events)
        charge.ticks = balance(entry, (waited * charge.events) >> WEIGHT_SHIFT, waited, reached, is_shared)
                       << CONTENTION_UNIT_SHIFT;
    if (waiters == SPIN_STRIDE * atomic_load_explicit(&entry->spinners, memory_order_relaxed))
        charge.events *= SPIN_STRIDE;
    return charge;
}

__attribute__((noinline)) void contention_record(enum wait_kind function, struct contention_charge charge)
{
    if (charge.events)
        event_record(KIND_MUTEX, function, charge.events, clock_ns_of(charge.ticks));
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
    thread_local_state.holding = HOLDING_NONE;
    condition_forget();
    if (!atomic_exchange_explicit(&was_used, false, memory_order_relaxed))
        return;
    contention_clear(entries, sizeof entries);
    contention_clear(contention_filter, sizeof contention_filter);
}
