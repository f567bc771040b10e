/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each condition that is waited for: how many wait, and the sum of the times at which those of them that
 * were woken were (number and sum in one word, as contention.c has it). Who of them a signal wakes cannot be
 * known: whoever comes back first takes the average of their times with it, the last one what is left, so
 * that the mutex's sums come out even. Of those that were woken while nobody had the mutex, the first one
 * gets it, and the others wait for it from then on.
 */
#include "condition.h"

#include "clock.h"
#include "contention.h"
#include "process.h"
#include "threads.h"

#include "poison.h"

enum { ENTRIES = 1024, WAYS = 8 };

struct entry {
    _Atomic uintptr_t cond; /* 0: never used. Stays when nobody waits, until another one needs the place */
    _Atomic uintptr_t mutex;
    _Atomic uint64_t woken;   /* contention_pack() of number and times */
    _Atomic uint32_t waiters; /* woken ones among them */
    _Atomic uint32_t at;      /* where the woken ones are waiters of the mutex */
    _Atomic uint32_t freely;  /* woken, and the mutex was free; not among `woken` */
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

void condition_enter(const void *cond, const void *mutex)
{
    struct entry *entry;

    if (!(process_wanted() & 1u << PROFILE_MUTEX) || thread_local_state.ended || thread_local_state.waits_at)
        return;
    entry = find((uintptr_t)cond);
    if (!entry)
        entry = claim((uintptr_t)cond);
    if (!entry) {
        process_count(COUNT_LOST_CONTENTION, 1);
        return;
    }
    atomic_store_explicit(&entry->mutex, (uintptr_t)mutex, memory_order_relaxed);
    atomic_fetch_add_explicit(&entry->waiters, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(filter((uintptr_t)cond), 1, memory_order_relaxed);
    thread_local_state.waits_at = (uint16_t)(WAITS_AT_CONDITION + (entry - entries));
}

/* One of the woken ones waits for the mutex no longer. false: there is none. */
static bool withdraw_one(struct entry *entry, uint64_t now)
{
    uint32_t at = atomic_load_explicit(&entry->at, memory_order_relaxed);
    uint64_t woken = atomic_load_explicit(&entry->woken, memory_order_relaxed), left, start;

    do {
        uint64_t count = contention_count(woken);
        if (!count)
            return false;
        start = now - contention_elapsed(woken, now) / count;
        left = contention_pack(count - 1, woken - start);
    } while (!atomic_compare_exchange_weak_explicit(&entry->woken, &woken, left, memory_order_relaxed,
                                                    memory_order_relaxed));
    contention_remove(at, contention_lock(at), 1, start, now);
    return true;
}

/* Takes some of those away for whom the mutex was free, so that no more than `most` are left. */
static void limit_freely(struct entry *entry, uint32_t most)
{
    uint32_t count = atomic_load_explicit(&entry->freely, memory_order_relaxed);
    while (count > most && !atomic_compare_exchange_weak_explicit(&entry->freely, &count, most,
                                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

/* So many of those who wait wait for the mutex from now on. */
static void wake(struct entry *entry, uint32_t count, uint64_t now)
{
    const void *mutex = (const void *)atomic_load_explicit(&entry->mutex, memory_order_relaxed);
    uint64_t woken = atomic_load_explicit(&entry->woken, memory_order_relaxed), changed;
    uint32_t at = contention_add(mutex, count, now);

    if (!at)
        return;
    atomic_store_explicit(&entry->at, at, memory_order_relaxed);
    do
        changed = contention_pack(contention_count(woken) + count, woken + count * now);
    while (!atomic_compare_exchange_weak_explicit(&entry->woken, &woken, changed, memory_order_relaxed,
                                                  memory_order_relaxed));
}

/* A signal may have been meant for one that came back by itself, by a timeout: no more are woken than wait.
 */
static void leave(struct entry *entry, bool has_mutex, uint64_t now)
{
    uint32_t waiters = atomic_fetch_sub_explicit(&entry->waiters, 1, memory_order_relaxed) - 1;
    uint32_t freely = atomic_load_explicit(&entry->freely, memory_order_relaxed);

    atomic_fetch_sub_explicit(filter(atomic_load_explicit(&entry->cond, memory_order_relaxed)), 1,
                              memory_order_relaxed);
    if (has_mutex && !withdraw_one(entry, now) && freely)
        limit_freely(entry, freely - 1);
    while (contention_count(atomic_load_explicit(&entry->woken, memory_order_relaxed)) > waiters)
        withdraw_one(entry, now);
    if (!freely)
        return;
    limit_freely(entry, waiters);
    if (has_mutex)
        freely = atomic_exchange_explicit(&entry->freely, 0, memory_order_relaxed);
    if (has_mutex && freely)
        wake(entry, freely, now);
}

uint64_t condition_leave(const void *mutex)
{
    uint32_t at = thread_local_state.waits_at;
    uint64_t now;

    if (at < WAITS_AT_CONDITION)
        return 0;
    now = clock_ticks();
    thread_local_state.waits_at = 0;
    leave(&entries[at - WAITS_AT_CONDITION], true, contention_units(now));
    if (contention_is_waited_for(mutex))
        contention_acquired(mutex);
    return now;
}

void condition_signal(const void *cond, bool all, enum condition_mutex (*state)(const void *mutex))
{
    struct entry *entry = find((uintptr_t)cond);
    const void *mutex;
    uint32_t count, woken, waiters;

    if (!entry || !(process_wanted() & 1u << PROFILE_MUTEX))
        return;
    mutex = (const void *)atomic_load_explicit(&entry->mutex, memory_order_relaxed);
    waiters = atomic_load_explicit(&entry->waiters, memory_order_relaxed);
    woken = (uint32_t)contention_count(atomic_load_explicit(&entry->woken, memory_order_relaxed)) +
            atomic_load_explicit(&entry->freely, memory_order_relaxed);
    if (!mutex || woken >= waiters)
        return;
    count = all ? waiters - woken : 1;
    switch (state(mutex)) {
    case CONDITION_MUTEX_OWN:
        wake(entry, count, contention_units(clock_ticks()));
        break;
    case CONDITION_MUTEX_FREE:
        atomic_fetch_add_explicit(&entry->freely, count, memory_order_relaxed);
        break;
    case CONDITION_MUTEX_TAKEN:
        break; /* by one, perhaps, who is counted, but only about to wait */
    }
}

void condition_abandon(uint32_t at)
{
    leave(&entries[at - WAITS_AT_CONDITION], false, contention_units(clock_ticks()));
}

void condition_forget(void)
{
    if (!atomic_exchange_explicit(&was_used, false, memory_order_relaxed))
        return;
    contention_clear(entries, sizeof entries);
    contention_clear(condition_filter, sizeof condition_filter);
}
