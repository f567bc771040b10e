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
    _Atomic uint64_t woken;   /* contention_pack() of number and times */
    _Atomic uint32_t waiters; /* woken ones among them */
    _Atomic uint32_t at;      /* where the woken ones are waiters of the mutex */
    _Atomic uint32_t freely;  /* woken, and the mutex was free; not among `woken` */
    _Atomic uint32_t wanted;  /* contention_expect()'s of the mutex */
    _Atomic uint64_t
        uncertain; /* ticks: somebody may have been woken then while another thread had the mutex */
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
    atomic_store_explicit(&entry->wanted, contention_expect(mutex), memory_order_relaxed);
    thread_local_state.waits_since = clock_ticks();
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
   true: it was known to wait for the mutex, or to be woken while that was free. */
static bool leave(struct entry *entry, bool has_mutex, uint64_t now)
{
    bool was_known = false;
    uint32_t waiters = atomic_fetch_sub_explicit(&entry->waiters, 1, memory_order_relaxed) - 1;
    uint32_t freely = atomic_load_explicit(&entry->freely, memory_order_relaxed);

    atomic_fetch_sub_explicit(filter(atomic_load_explicit(&entry->cond, memory_order_relaxed)), 1,
                              memory_order_relaxed);
    if (has_mutex)
        was_known = withdraw_one(entry, now);
    if (has_mutex && !was_known && freely) {
        limit_freely(entry, freely - 1);
        was_known = true;
    }
    while (contention_count(atomic_load_explicit(&entry->woken, memory_order_relaxed)) > waiters)
        withdraw_one(entry, now);
    if (!freely)
        return was_known;
    limit_freely(entry, waiters);
    if (has_mutex)
        freely = atomic_exchange_explicit(&entry->freely, 0, memory_order_relaxed);
    if (has_mutex && freely)
        wake(entry, freely, now);
    return was_known;
}

static uint64_t ns_after(clockid_t clock, const struct timespec *time)
{
    uint64_t now = clock_ns(clock), then = (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
    return now > then ? now - then : 0;
}

/*
 * For how long one that was not known to wait for the mutex may have done so: from the time on that its wait
 * was to end at, by whichever clock that is near; else from the last signal on that may have been meant for
 * it.
 */
static uint64_t wanted_for(struct entry *entry, const struct timespec *missed, uint64_t now)
{
    const uint64_t far_ns = UINT64_C(100) * 86400 * 1000000000;
    uint64_t since = thread_local_state.waits_since, waited = clock_ns_of(now - since), late;
    uint64_t uncertain = atomic_load_explicit(&entry->uncertain, memory_order_relaxed);

    if (!missed)
        return uncertain > since && uncertain < now ? clock_ns_of(now - uncertain) : 0;
    late = ns_after(CLOCK_REALTIME, missed);
    if (late > far_ns)
        late = ns_after(CLOCK_MONOTONIC, missed);
    return late < waited ? late : waited;
}

uint64_t condition_leave(const void *mutex, const struct timespec *missed)
{
    uint32_t at = thread_local_state.waits_at, wanted;
    struct entry *entry;
    uint64_t now;

    if (at < WAITS_AT_CONDITION)
        return 0;
    now = clock_ticks();
    entry = &entries[at - WAITS_AT_CONDITION];
    wanted = atomic_load_explicit(&entry->wanted, memory_order_relaxed);
    thread_local_state.waits_at = 0;
    if (!leave(entry, true, contention_units(now)))
        contention_charge_late(wanted, wanted_for(entry, missed, now), now);
    contention_expect_no_more(wanted, mutex);
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
    atomic_store_explicit(&entry->uncertain, 0, memory_order_relaxed);
    switch (state(mutex)) {
    case CONDITION_MUTEX_OWN:
        wake(entry, count, contention_units(clock_ticks()));
        break;
    case CONDITION_MUTEX_FREE:
        atomic_fetch_add_explicit(&entry->freely, count, memory_order_relaxed);
        break;
    case CONDITION_MUTEX_TAKEN:
        /* By one, perhaps, who is counted, but only about to wait. */
        atomic_store_explicit(&entry->uncertain, clock_ticks(), memory_order_relaxed);
        break;
    }
}

void condition_abandon(uint32_t at)
{
    struct entry *entry = &entries[at - WAITS_AT_CONDITION];

    leave(entry, false, contention_units(clock_ticks()));
    contention_expect_no_more(atomic_load_explicit(&entry->wanted, memory_order_relaxed),
                              (const void *)atomic_load_explicit(&entry->mutex, memory_order_relaxed));
}

void condition_forget(void)
{
    if (!atomic_exchange_explicit(&was_used, false, memory_order_relaxed))
        return;
    contention_clear(entries, sizeof entries);
    contention_clear(condition_filter, sizeof condition_filter);
}
