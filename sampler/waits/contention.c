/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A release is charged with the points that passed while the calling thread had the lock and others waited: a
 * period for each waiter and point. When the thread got the lock is known if it waited for it, or released it
 * a moment ago.
 *
 * Some points are in no such holding. Nobody had the lock, because a woken thread takes microseconds to run.
 * Or the holder's release was not examined, because libc had nobody to wake. That time is unowned. It is added
 * to an earlier release of the lock, chosen at random in proportion to what the releases are charged with, so
 * that their shares stay the same.
 */
#include "contention.h"

#include <string.h>
#include <sys/mman.h>

#include "points.h"
#include "sampler/base/clock.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/process/process.h"
#include "sampler/samples/event.h"
#include "sampler/threads/thread_slots.h"
#include "sampler/threads/threads.h"

#include "sampler/base/poison.h"

enum { LOCKS = 1024 };
enum { CHOSEN = 8, LONG_NS = 1000000, BRIEF_NS = 5000, BRIEF_MOST = 4 };

/* What is known of a lock that was waited for, until another one with the same hash needs the place. */
struct contention_lock {
    _Atomic uintptr_t lock;
    _Atomic uint64_t scanned; /* ticks: when a release looked at the waiters last */
    _Atomic uint64_t
        chosen[CHOSEN];          /* event_record()'s, of releases that unowned time is added to; 0: none */
    _Atomic uint64_t largest_ns; /* about the most that one of the last releases was charged with */
    _Atomic uint64_t pending_ns; /* to be added to the next release that is recorded */
};

static struct contention_lock locks[LOCKS] __attribute__((aligned(LAYOUT_PAGE)));
_Static_assert(sizeof locks % LAYOUT_PAGE == 0, "emptied by pages");
static _Atomic bool was_used;
_Atomic uint8_t contention_filter[CONTENTION_FILTER] __attribute__((aligned(LAYOUT_PAGE)));

static struct contention_lock *lock_of(const void *lock)
{
    struct contention_lock *known = &locks[(uintptr_t)lock * UINT64_C(0x9e3779b97f4a7c15) >> 54];

    if (atomic_load_explicit(&known->lock, memory_order_relaxed) != (uintptr_t)lock) {
        atomic_store_explicit(&was_used, true, memory_order_relaxed);
        atomic_store_explicit(&known->lock, (uintptr_t)lock, memory_order_relaxed);
        for (int i = 0; i < CHOSEN; i++)
            atomic_store_explicit(&known->chosen[i], 0, memory_order_relaxed);
        atomic_store_explicit(&known->largest_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&known->pending_ns, 0, memory_order_relaxed);
    }
    return known;
}

/* Release: who sees the lock sees the time; pairs with the acquire in add_waiters(). */
static void register_waiter(struct slot_private *own, const void *lock, uint64_t since)
{
    atomic_store_explicit(&own->contended_since, since, memory_order_relaxed);
    atomic_store_explicit(&own->contended, (uintptr_t)lock, memory_order_release);
    if (!contention_is_waited_for(lock))
        atomic_store_explicit(contention_filter_of(lock), 1, memory_order_relaxed);
}

void contention_begin(struct contention *contention, const void *lock)
{
    struct slot_private *own;

    contention->lock = lock;
    contention->start = contention->end = 0;
    contention->slot = 0;
    contention->is_guess = false;
    if (!(process_wanted() & 1u << PROFILE_MUTEX) || thread_local_state.ended)
        return;
    if (!thread_local_state.slot && process_attached())
        thread_adopt_self(0);
    contention->slot = thread_local_state.slot; /* 0: a slot that no release looks at */
    own = &slot_private[contention->slot];
    contention->start = clock_ticks();
    contention->outer_lock = atomic_load_explicit(&own->contended, memory_order_relaxed);
    contention->outer_since = atomic_load_explicit(&own->contended_since, memory_order_relaxed);
    register_waiter(own, lock, contention->start);
}

/* false: there is no chosen release whose bank is still active. */
static bool add_to_chosen(struct contention_lock *known, uint64_t first, uint64_t ns)
{
    for (uint64_t i = first; i < first + CHOSEN; i++) {
        _Atomic uint64_t *chosen = &known->chosen[i % CHOSEN];
        uint64_t event = atomic_load_explicit(chosen, memory_order_relaxed);
        if (event && event_add(event, 0, ns))
            return true;
        if (event)
            atomic_store_explicit(chosen, 0, memory_order_relaxed);
    }
    return false;
}

/* Adds unowned time to one of the chosen releases, or a long time to all of them. Returns what is left. */
static uint64_t add_unowned(struct contention_lock *known, uint64_t ns)
{
    uint64_t first = event_random() % CHOSEN, parts = ns < LONG_NS ? 1 : CHOSEN, part = ns / parts;

    for (uint64_t i = 0; i < parts && add_to_chosen(known, first + i, part); i++)
        ns -= i < parts - 1 ? part : ns;
    return ns;
}

/* The calling thread waits no longer, and no release was charged with what it has waited since then. If it did
   not get the lock, the next release is charged. What may be no lock is charged for only if a release was. */
static void settle(const void *lock, uint64_t since, uint64_t now, bool has_it, bool is_guess)
{
    struct segment *segment = process_attached();
    uint64_t passed, ns;
    struct contention_lock *known;

    if (!segment)
        return;
    points_follow_fraction(segment);
    passed = points_between(since, now);
    if (__builtin_expect(!passed, 1))
        return;
    known = lock_of(lock);
    ns = clock_ns_of(passed);
    if (has_it)
        ns = add_unowned(known, ns);
    if (ns && !is_guess)
        atomic_fetch_add_explicit(&known->pending_ns, ns, memory_order_relaxed);
}

void contention_end(struct contention *contention, enum contention_outcome outcome)
{
    struct slot_private *own = &slot_private[contention->slot];
    uint64_t since;

    if (!contention->slot || contention->slot != thread_local_state.slot)
        return;
    since = atomic_load_explicit(&own->contended_since, memory_order_relaxed);
    atomic_store_explicit(&own->contended, contention->outer_lock, memory_order_relaxed);
    atomic_store_explicit(&own->contended_since, contention->outer_since, memory_order_relaxed);
    contention->end = clock_ticks();
    if (outcome == CONTENTION_OWNS) {
        thread_local_state.examined = (uintptr_t)contention->lock;
        thread_local_state.examined_since = contention->end;
    }
    if (!atomic_load_explicit(&own->contended_is_foreign, memory_order_relaxed))
        settle(contention->lock, since, contention->end, outcome != CONTENTION_FAILED, contention->is_guess);
    atomic_store_explicit(&own->contended_is_foreign, false, memory_order_relaxed);
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

    if (contention->slot && segment && tid > 0)
        atomic_store_explicit(&slot_private[contention->slot].contended_is_foreign,
                              !is_own_thread(segment, tid), memory_order_relaxed);
}

void contention_abandon(void)
{
    struct slot_private *own = &slot_private[thread_local_state.slot];

    atomic_store_explicit(&own->contended, 0, memory_order_relaxed);
    atomic_store_explicit(&own->contended_is_foreign, false, memory_order_relaxed);
    atomic_store_explicit(&own->group, NULL, memory_order_relaxed);
}

/* The waiters of a lock, as its release finds them. */
struct scan {
    const void *lock;
    uint64_t now, held_since; /* ticks; 0: not known */
    unsigned flags;
    /* Ticks, of whole periods: */
    uint64_t points;                  /* of all waiters, while the calling thread had the lock */
    uint64_t unowned;                 /* before that */
    uint64_t longest, longest_points; /* the longest wait for the calling thread, exactly and by its points */
    bool has_waiters;
    bool keeps_filter; /* a thread waits, or will when it is signalled, or waits at a lock with this hash */
    struct contention_group *uncertain;
};

/* So many threads have waited since then. */
static void add(struct scan *scan, uint64_t since, uint64_t count, bool is_foreign)
{
    uint64_t from = since > scan->held_since ? since : scan->held_since;
    uint64_t all = points_between(since, scan->now), own = points_between(from, scan->now);

    scan->points += own * count;
    scan->unowned += is_foreign ? 0 : (all - own) * count;
    if (scan->now > from && scan->now - from > scan->longest) {
        scan->longest = scan->now - from;
        scan->longest_points = own;
    }
}

static void add_group(struct scan *scan, struct contention_group *group)
{
    uint64_t woken = atomic_load_explicit(&group->woken, memory_order_relaxed);
    uint64_t count = contention_count(woken), now = contention_units(scan->now), since;

    if (count) {
        scan->has_waiters = true;
        since = (now - contention_elapsed(woken, now) / count) << CONTENTION_UNIT_SHIFT;
        if (points_between(since, scan->now) &&
            atomic_compare_exchange_strong_explicit(&group->woken, &woken,
                                                    contention_pack(count, count * now), memory_order_relaxed,
                                                    memory_order_relaxed))
            add(scan, since, count, false);
    }
    if (atomic_load_explicit(&group->uncertain, memory_order_relaxed))
        scan->uncertain = group;
}

/* The exchange makes sure that each point of a wait is charged once. */
static void add_waiter(struct scan *scan, struct slot_private *waiter)
{
    struct contention_group *group = atomic_load_explicit(&waiter->group, memory_order_relaxed);
    uint64_t since = atomic_load_explicit(&waiter->contended_since, memory_order_relaxed);

    if (group)
        add_group(scan, group);
    if (!since || since > scan->now) /* it has just ended its wait, or has begun another one */
        return;
    scan->has_waiters = true;
    if (points_between(since, scan->now) &&
        atomic_compare_exchange_strong_explicit(&waiter->contended_since, &since, scan->now,
                                                memory_order_relaxed, memory_order_relaxed))
        add(scan, since, 1, atomic_load_explicit(&waiter->contended_is_foreign, memory_order_relaxed));
}

static void add_waiters(struct scan *scan, uint32_t slots)
{
    struct contention_group *uncertain;

    for (uint32_t slot = 1; slot < slots && slot < LAYOUT_THREADS; slot++) {
        /* Acquire: pairs with the release in register_waiter(). */
        uintptr_t lock = atomic_load_explicit(&slot_private[slot].contended, memory_order_acquire);
        if (lock && contention_filter_of((const void *)lock) == contention_filter_of(scan->lock))
            scan->keeps_filter = true;
        if (lock == (uintptr_t)scan->lock)
            add_waiter(scan, &slot_private[slot]);
    }
    /* The lock's word says that somebody waits, and it is nobody else. */
    uncertain = scan->uncertain;
    if (scan->flags & CONTENTION_IS_SURE && !scan->has_waiters && uncertain)
        add(scan, atomic_exchange_explicit(&uncertain->uncertain_from, scan->now, memory_order_relaxed),
            atomic_load_explicit(&uncertain->uncertain, memory_order_relaxed), false);
}

/* If nobody waits, no release scans again until somebody does: a thread sets the filter after it has
   registered. It may just see the old value, and is missed then until the next one sets it. */
static void scan_waiters(struct scan *scan, uint32_t slots)
{
    atomic_store_explicit(contention_filter_of(scan->lock), 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* the slots are looked at after that */
    add_waiters(scan, slots);
    if (scan->keeps_filter)
        atomic_store_explicit(contention_filter_of(scan->lock), 1, memory_order_relaxed);
}

/* Since when the calling thread, which releases the lock, has had it; 0: not known. Its next holdings are examined,
   too, because those that it wakes may not run before. Not so after BRIEF_MOST brief ones: there it would cost
   more than they take. */
static uint64_t examine_next(const void *lock, uint64_t now)
{
    struct thread_local_state *self = &thread_local_state;
    uint64_t since = self->examined == (uintptr_t)lock ? self->examined_since : 0;

    self->brief_holds = since && clock_ns_of(now - since) < BRIEF_NS ? self->brief_holds + 1 : 0;
    self->examined = (uintptr_t)lock | (self->brief_holds < BRIEF_MOST ? 0 : CONTENTION_BRIEF);
    self->examined_since = now;
    return since;
}

static void charge_points(struct contention_charge *charge, const struct scan *scan, uint64_t pending_ns)
{
    charge->ns = clock_ns_of(scan->points) + pending_ns;
    charge->unowned_ns = scan->flags & CONTENTION_IS_SHARED ? 0 : clock_ns_of(scan->unowned);
    charge->events = (uint64_t)(((unsigned __int128)scan->longest_points << WEIGHT_SHIFT) /
                                (scan->longest + !scan->longest));
    if (pending_ns && !charge->events)
        charge->events = UINT64_C(1) << WEIGHT_SHIFT;
}

__attribute__((noinline)) void contention_charge(struct contention_charge *charge, const void *lock,
                                                 unsigned flags)
{
    struct segment *segment = process_attached();
    struct scan scan = {.lock = lock, .now = clock_ticks(), .flags = flags};
    struct contention_lock *known;
    uint64_t pending_ns;

    charge->lock = NULL;
    if (thread_local_state.ended || !segment)
        return;
    scan.held_since = examine_next(lock, scan.now);
    known = lock_of(lock);
    points_follow_fraction(segment);
    if (!points_between(atomic_load_explicit(&known->scanned, memory_order_relaxed), scan.now)) {
        if (points_are_off())
            atomic_store_explicit(contention_filter_of(lock), 0, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(&known->scanned, scan.now, memory_order_relaxed);
    scan_waiters(&scan, atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed));
    segment_count_ticks(segment, COUNT_MUTEX_TICKS, scan.now);
    pending_ns = atomic_load_explicit(&known->pending_ns, memory_order_relaxed);
    if (pending_ns)
        pending_ns = atomic_exchange_explicit(&known->pending_ns, 0, memory_order_relaxed);
    if (!scan.points && !scan.unowned && !pending_ns)
        return;
    charge->lock = known;
    charge_points(charge, &scan, pending_ns);
}

/* From now on unowned time is added to this release, too, in the place of another one: at random, in proportion
   to what it is charged with. There are several, so that no single one gets much. */
static void choose(struct contention_lock *known, uint64_t event, uint64_t ns)
{
    uint64_t largest = atomic_load_explicit(&known->largest_ns, memory_order_relaxed);
    _Atomic uint64_t *chosen = &known->chosen[event_random() % CHOSEN];

    largest = ns > largest ? ns : largest - largest / 32;
    atomic_store_explicit(&known->largest_ns, largest, memory_order_relaxed);
    if (!atomic_load_explicit(chosen, memory_order_relaxed) ||
        (uint64_t)((unsigned __int128)event_random() * largest >> 64) < ns)
        atomic_store_explicit(chosen, event, memory_order_relaxed);
}

__attribute__((noinline)) void contention_record(const struct contention_charge *charge,
                                                 enum wait_kind function)
{
    struct contention_lock *known = charge->lock;
    uint64_t ns;

    if (!known)
        return;
    ns = charge->ns;
    if (charge->unowned_ns)
        ns += add_unowned(known, charge->unowned_ns);
    if (!ns)
        return;
    choose(known, event_record(KIND_MUTEX, function, charge->events, ns), ns);
}

void contention_begin_grouped(const void *lock, struct contention_group *group, uint64_t from)
{
    struct slot_private *own = &slot_private[thread_local_state.slot];

    atomic_store_explicit(&own->group, group, memory_order_relaxed);
    register_waiter(own, lock, from);
}

void contention_end_grouped(const void *lock, uint64_t since, uint64_t now)
{
    contention_abandon();
    if (since)
        settle(lock, since, now, true, true);
    thread_local_state.examined = (uintptr_t)lock;
    thread_local_state.examined_since = now;
}

/* The kernel empties whole pages only. What shares a page with other data is written. */
void contention_clear(void *table, size_t size)
{
    uintptr_t start = (uintptr_t)table, end = start + size;
    uintptr_t first = (start + ARCH_PAGE_MOST - 1) / ARCH_PAGE_MOST * ARCH_PAGE_MOST;
    uintptr_t last = end / ARCH_PAGE_MOST * ARCH_PAGE_MOST;

    if (first >= last || !seccomp_allows(CALL(madvise)) ||
        sys_call(SYS_madvise, first, last - first, MADV_DONTNEED))
        first = last = end;
    memset(table, 0, first - start);
    memset((char *)table + (last - start), 0, end - last);
}

void contention_forget(void)
{
    points_forget();
    if (!atomic_exchange_explicit(&was_used, false, memory_order_relaxed))
        return;
    contention_clear(locks, sizeof locks);
    contention_clear(contention_filter, sizeof contention_filter);
}
