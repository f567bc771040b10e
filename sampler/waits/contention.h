/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a lock that others wait for. A thread that finds a lock taken registers under the lock's address;
 * whoever releases it is charged with the time that others waited while it was held, as in Go's mutex
 * profile. The table is private, bounded and lock-free; a lock that nobody waits for is not in it.
 *
 * Use, in hooks:
 *     trylock; if it worked and contention_is_watched(lock): contention_acquired(lock)
 *     if the lock is taken:
 *         contention_begin(&contention, lock); real lock; contention_end(&contention, whether it worked)
 * and
 *     if (!contention_is_waited_for(lock))
 *         return real unlock
 *     contention_charge(&charge, lock, others may have it, too);   // while it is still held
 *     real unlock                              // from here on the lock's memory is not touched any more
 *     contention_record(&charge, RELEASE_function);                // walks the stack
 *
 * Only waiters of this process are seen. Signal-safe, any thread; errno untouched.
 */
#ifndef CPROF_SAMPLER_CONTENTION_H
#define CPROF_SAMPLER_CONTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/segment/layout.h"
#include "sampler/threads/thread_local.h"

enum { CONTENTION_FILTER = 4096 };
extern uint16_t contention_filter[CONTENTION_FILTER] __attribute__((visibility("hidden")));

struct contention {
    uint64_t start, end; /* ticks; 0: mutex profiles are off; it has not ended, or was not registered */
    const void *lock;
    uint32_t entry;      /* 1 + index of the lock's entry; 0: not registered */
    uint32_t generation; /* of the table: a forked child starts with an empty one */
    uint8_t abandons;    /* thread_local_state's */
    uint16_t outer_at;   /* thread_local_state's, of the wait that a signal's handler interrupted */
    uint64_t outer_since;
};

/* Locks of one structure lie near each other, and differ here. */
static inline unsigned contention_filter_index(const void *lock)
{
    return (unsigned)((uintptr_t)lock >> 3) % CONTENTION_FILTER;
}

static inline bool contention_is_waited_for(const void *lock)
{
    return __builtin_expect(((volatile uint16_t *)contention_filter)[contention_filter_index(lock)] != 0, 0);
}

/* The calling thread was charged for this lock before, and is to tell when it gets it. */
static inline bool contention_is_watched(const void *lock)
{
    return __builtin_expect(thread_local_state.watched == lock, 0);
}

/* The calling thread waits for lock from now on. Does nothing while mutex profiles are off. */
void contention_begin(struct contention *contention, const void *lock);

/* It waits no longer. SHARES: with other readers. */
enum contention_outcome { CONTENTION_FAILED, CONTENTION_SHARES, CONTENTION_OWNS };
void contention_end(struct contention *contention, enum contention_outcome outcome);

/* Where a word of the program's own may be a lock: it was, and is to be charged for. */
void contention_prove(const struct contention *contention);
bool contention_is_proven(const void *lock);

/* A lock that processes may share is held by this thread of any of them. */
void contention_owned_by(const struct contention *contention, int tid);

/* The calling thread has lock for itself (not: shares it with other readers), and did not wait for it. */
void contention_acquired(const void *lock);

/* What the calling thread, which is about to release lock, is to be charged with. is_shared: perhaps others,
   who are not seen, had it while threads of this process waited. */
struct contention_charge {
    uint64_t ns;             /* of all waiters together, scaled up */
    uint64_t events;         /* releases that this one stands for, * 2^WEIGHT_SHIFT; 0: it is not recorded */
    uint32_t entry, release; /* contention.c's */
};
void contention_charge(struct contention_charge *charge, const void *lock, bool is_shared);
void contention_record(const struct contention_charge *charge, enum wait_kind function);

/*
 * For condition.h: waiters in number, who began at this time, and those of them who wait no longer. Times are
 * in units of 32 ticks; number and sum of times, modulo 2^48, are one word. Returns where, or 0 (counted).
 */
enum { CONTENTION_UNIT_SHIFT = 5, CONTENTION_SUM_BITS = 48, CONTENTION_MOST = 0xffff };
uint32_t contention_add(const void *lock, uint32_t count, uint64_t now);
void contention_remove(uint32_t at, const void *lock, uint32_t count, uint64_t start, uint64_t end);
const void *contention_lock(uint32_t at);

/* For condition.h, too: a thread waits for something else, but will want the lock then. If that was released
   within the last ns before now (ticks), that release is charged with so many. at: contention_expect()'s. */
uint32_t contention_expect(const void *lock);
void contention_expect_no_more(uint32_t at, const void *lock);
void contention_charge_late(uint32_t at, uint64_t ns, uint64_t now);

static inline uint64_t contention_units(uint64_t ticks)
{
    return ticks >> CONTENTION_UNIT_SHIFT;
}
static inline uint64_t contention_pack(uint64_t count, uint64_t sum)
{
    return count << CONTENTION_SUM_BITS | (sum & ((UINT64_C(1) << CONTENTION_SUM_BITS) - 1));
}
static inline uint64_t contention_count(uint64_t packed)
{
    return packed >> CONTENTION_SUM_BITS;
}
/* What they have waited together. A time ahead of now, of another processor's clock, counts as now. */
static inline uint64_t contention_elapsed(uint64_t packed, uint64_t now)
{
    uint64_t units = (contention_count(packed) * now - packed) & ((UINT64_C(1) << CONTENTION_SUM_BITS) - 1);
    return units >> (CONTENTION_SUM_BITS - 1) ? 0 : units;
}

/* Zeroes whole pages. Those that were never written are not copied by a forked child for it. */
void contention_clear(void *table, size_t size);

/* The calling thread has left its wait by longjmp(), or was cancelled in it. */
void contention_abandon(void);

/* In a forked child, whose other threads are gone. */
void contention_forget(void);

#endif
