/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each condition that is waited for: how many wait, and the sum of the times at which those of them that
 * were woken were (number and sum in one word, as contention.c has it). Who of them a signal wakes cannot be
 * known: whoever comes back first takes the average of their times with it, the last one what is left, so
 * that the mutex's sums come out even. Of those that were woken while nobody had the mutex, the first one
 * gets it, and the others wait for it from then on.
 */
#include "condition.h"

#include "contention.h"
#include "sampler/base/clock.h"
#include "sampler/process/process.h"
#include "sampler/threads/thread_local.h"

#include "sampler/base/poison.h"

enum { ENTRIES = 1024, WAYS = 8 };

struct entry {
    _Atomic uintptr_t cond; /* 0: never used. Stays when nobody waits, until another one needs the place */
    _Atomic uintptr_t mutex;
    _Atomic uint32_t waiters; /* woken ones among them */
    _Atomic uint32_t freely;  /* woken, and the mutex was free; not in the group */
    struct contention_group group;
};

static struct entry entries[ENTRIES] __attribute__((aligned(LAYOUT_PAGE)));
static _Atomic bool was_used;
uint16_t condition_filter[CONDITION_FILTER] __attribute__((aligned(LAYOUT_PAGE)));

static _Atomic uint16_t *filter(uintptr_t cond)
{
    return (_Atomic uint16_t *)&condition_filter[(unsigned)(cond >> 3) % CONDITION_FILTER];
}

static struct entry *way(uintptr_t cond, unsigned i)
{
    return &entries[((cond * UINT64_C(0x9e3779b97f4a7c15) >> 40) + i) % ENTRIES];
}

static struct entry *find(uintptr_t cond)
{
    for (unsigned i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&way(cond, i)->cond, memory_order_relaxed) == cond)
            return way(cond, i);
    return NULL;
}

/* A thread that finds its condition in this moment where another one takes its place is counted with that. */
static struct entry *claim(uintptr_t cond)
{
    atomic_store_explicit(&was_used, true, memory_order_relaxed);
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = way(cond, i);
        uintptr_t old = atomic_load_explicit(&entry->cond, memory_order_relaxed);
        if (!atomic_load_explicit(&entry->waiters, memory_order_relaxed) &&
            atomic_compare_exchange_strong_explicit(&entry->cond, &old, cond, memory_order_relaxed,
                                                    memory_order_relaxed))
            return entry;
    }
    return NULL;
}

/* When a wait until then will end, in ticks, by whichever clock that is near. */
static uint64_t ticks_at(const struct timespec *until)
{
    const int64_t far_ns = INT64_C(100) * 86400 * 1000000000, most_ns = INT64_C(1) << 32;
    uint64_t second = clock_ns_of(UINT64_C(1) << 30), now = clock_ticks();
    int64_t ns = until->tv_sec * INT64_C(1000000000) + until->tv_nsec, left;

    left = ns - (int64_t)clock_ns(CLOCK_REALTIME);
    if (left < -far_ns)
        left = ns - (int64_t)clock_ns(CLOCK_MONOTONIC);
    if (left > most_ns || !second)
        return UINT64_MAX;
    return left > 0 ? now + ((uint64_t)left << 30) / second : now;
}

void condition_enter(const void *cond, const void *mutex, const struct timespec *until)
{
    struct entry *entry;

    if (!(process_wanted() & 1u << PROFILE_MUTEX) || thread_local_state.ended || thread_local_state.awaits)
        return;
    entry = find((uintptr_t)cond);
    if (!entry)
        entry = claim((uintptr_t)cond);
    if (!entry) {
        process_count(COUNT_LOST_CONTENTION, 1);
        return;
    }
    atomic_store_explicit(&entry->mutex, (uintptr_t)mutex, memory_order_relaxed);
    /* Release: pairs with the acquire in condition_signal(), which so never reads the mutex of an earlier
       condition. */
    atomic_fetch_add_explicit(&entry->waiters, 1, memory_order_release);
    atomic_fetch_add_explicit(filter((uintptr_t)cond), 1, memory_order_relaxed);
    contention_begin_grouped(mutex, &entry->group, until ? ticks_at(until) : UINT64_MAX);
    thread_local_state.awaits = (uint16_t)(1 + (entry - entries));
}

/* One of the woken ones waits for the mutex no longer. Since when it did, in ticks; 0: there is none. */
static uint64_t withdraw_one(struct entry *entry, uint64_t now)
{
    uint64_t woken = atomic_load_explicit(&entry->group.woken, memory_order_relaxed), left, since;

    do {
        uint64_t count = contention_count(woken);
        if (!count)
            return 0;
        since = now - contention_elapsed(woken, now) / count;
        left = contention_pack(count - 1, woken - since);
    } while (!atomic_compare_exchange_weak_explicit(&entry->group.woken, &woken, left, memory_order_relaxed,
                                                    memory_order_relaxed));
    return since << CONTENTION_UNIT_SHIFT;
}

/* Takes some away, so that no more than `most` are left. */
static void limit(_Atomic uint32_t *counted, uint32_t most)
{
    uint32_t count = atomic_load_explicit(counted, memory_order_relaxed);
    while (count > most && !atomic_compare_exchange_weak_explicit(counted, &count, most, memory_order_relaxed,
                                                                  memory_order_relaxed))
        ;
}

/* So many of those who wait wait for the mutex from now on. */
static void wake(struct entry *entry, uint32_t count, uint64_t now)
{
    uint64_t woken = atomic_load_explicit(&entry->group.woken, memory_order_relaxed), changed;

    do
        changed = contention_pack(contention_count(woken) + count, woken + count * now);
    while (!atomic_compare_exchange_weak_explicit(&entry->group.woken, &woken, changed, memory_order_relaxed,
                                                  memory_order_relaxed));
}

/* A signal may have been meant for one that came back by itself, by a timeout: no more are woken than wait.
   Returns since when it waited for the mutex; 0: not known. */
static uint64_t leave(struct entry *entry, bool has_mutex, uint64_t now)
{
    uint32_t waiters = atomic_fetch_sub_explicit(&entry->waiters, 1, memory_order_relaxed) - 1;
    uint32_t freely = atomic_load_explicit(&entry->freely, memory_order_relaxed);
    uint64_t since = 0;

    atomic_fetch_sub_explicit(filter(atomic_load_explicit(&entry->cond, memory_order_relaxed)), 1,
                              memory_order_relaxed);
    if (has_mutex)
        since = withdraw_one(entry, now);
    if (has_mutex && !since && freely)
        limit(&entry->freely, freely - 1);
    while (contention_count(atomic_load_explicit(&entry->group.woken, memory_order_relaxed)) > waiters)
        withdraw_one(entry, now);
    limit(&entry->group.uncertain, waiters);
    if (!freely)
        return since;
    limit(&entry->freely, waiters);
    if (has_mutex)
        freely = atomic_exchange_explicit(&entry->freely, 0, memory_order_relaxed);
    if (has_mutex && freely)
        wake(entry, freely, now);
    return since;
}

uint64_t condition_leave(const void *mutex)
{
    uint32_t at = thread_local_state.awaits;
    uint64_t now, since;

    if (!at)
        return 0;
    now = clock_ticks();
    thread_local_state.awaits = 0;
    since = leave(&entries[at - 1], true, contention_units(now));
    contention_end_grouped(mutex, since, now);
    return now;
}

void condition_signal(const void *cond, bool all, enum condition_mutex (*state)(const void *mutex))
{
    struct entry *entry = find((uintptr_t)cond);
    const void *mutex;
    uint32_t count, woken, waiters;

    if (!entry || !(process_wanted() & 1u << PROFILE_MUTEX))
        return;
    waiters = atomic_load_explicit(&entry->waiters, memory_order_acquire);
    mutex = (const void *)atomic_load_explicit(&entry->mutex, memory_order_relaxed);
    woken = (uint32_t)contention_count(atomic_load_explicit(&entry->group.woken, memory_order_relaxed)) +
            atomic_load_explicit(&entry->freely, memory_order_relaxed);
    if (!mutex || woken >= waiters)
        return;
    count = all ? waiters - woken : 1;
    atomic_store_explicit(&entry->group.uncertain, 0, memory_order_relaxed);
    switch (state(mutex)) {
    case CONDITION_MUTEX_OWN:
        wake(entry, count, contention_units(clock_ticks()));
        break;
    case CONDITION_MUTEX_FREE:
        atomic_fetch_add_explicit(&entry->freely, count, memory_order_relaxed);
        break;
    case CONDITION_MUTEX_TAKEN:
        /* By one, perhaps, who is counted, but only about to wait. */
        atomic_store_explicit(&entry->group.uncertain_from, clock_ticks(), memory_order_relaxed);
        atomic_store_explicit(&entry->group.uncertain, count, memory_order_relaxed);
        break;
    }
}

void condition_abandon(void)
{
    uint32_t at = thread_local_state.awaits;

    if (at)
        leave(&entries[at - 1], false, contention_units(clock_ticks()));
    thread_local_state.awaits = 0;
    contention_abandon();
}

void condition_forget(void)
{
    thread_local_state.awaits = 0;
    contention_forget();
    if (!atomic_exchange_explicit(&was_used, false, memory_order_relaxed))
        return;
    contention_clear(entries, sizeof entries);
    contention_clear(condition_filter, sizeof condition_filter);
}
