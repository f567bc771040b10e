/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mutex profile: who held a lock while others waited for it. A waiting thread leaves the lock's address
 * and the time in its own slot. A release that may have waiters looks there, and is charged with what they
 * waited.
 *
 * Time is sampled. It is cut into periods of the same length for all threads, and each period has one point
 * at a random place. A thread that waited at a point waited for a whole period in the profile. So most waits
 * and releases have nothing to record, and know that from two readings of the clock.
 *
 * Use, in hooks:
 *     contention_begin(&contention, lock); real lock; contention_end(&contention, whether it worked)
 * and
 *     if (!contention_is_waited_for(lock))
 *         return real unlock
 *     contention_charge(&charge, lock, flags);     // while it is still held
 *     real unlock                                  // from here on the lock's memory is not touched any more
 *     contention_record(&charge, RELEASE_function) // walks the stack
 *
 * Only waiters of this process are seen. Signal-safe, any thread; errno untouched.
 */
#ifndef CPROF_SAMPLER_CONTENTION_H
#define CPROF_SAMPLER_CONTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/base/clock.h"
#include "sampler/segment/layout.h"
#include "sampler/threads/thread_local.h"

enum { CONTENTION_FILTER = 4096 };
extern _Atomic uint8_t contention_filter[CONTENTION_FILTER] __attribute__((visibility("hidden")));

struct contention {
    uint64_t start, end; /* ticks; 0: mutex profiles are off; the wait has not ended, or was not registered */
    const void *lock;
    uint32_t slot;        /* the waiting thread's; 0: the wait is not registered */
    bool is_guess;        /* the program's own word may be a lock, or is something else */
    uintptr_t outer_lock; /* of the wait that a signal's handler interrupted */
    uint64_t outer_since;
};

/* Locks of one structure lie near each other, and differ here. */
static inline _Atomic uint8_t *contention_filter_of(const void *lock)
{
    return &contention_filter[((uintptr_t)lock >> 3) % CONTENTION_FILTER];
}

/* false: nobody waits for the lock. true: somebody may, or did not long ago. */
static inline bool contention_is_waited_for(const void *lock)
{
    return __builtin_expect(atomic_load_explicit(contention_filter_of(lock), memory_order_relaxed), 0);
}

/* The calling thread's next release of the lock is examined, even if nobody has to be woken then: it has taken
   the lock while others waited. */
static inline bool contention_is_examined(const void *lock)
{
    return __builtin_expect(thread_local_state.examined == (uintptr_t)lock, 0);
}

/* The calling thread has got the lock without a wait. Threads that wait may not run before it releases the lock
   again. Its holdings are not examined if the last ones were brief: CONTENTION_BRIEF is added then. */
enum { CONTENTION_BRIEF = 1 };
static inline void contention_acquired(const void *lock)
{
    if (contention_is_waited_for(lock) &&
        thread_local_state.examined != ((uintptr_t)lock | CONTENTION_BRIEF)) {
        thread_local_state.examined = (uintptr_t)lock;
        thread_local_state.examined_since = clock_ticks();
    }
}

/* The calling thread waits for lock from now on. Does nothing while mutex profiles are off. */
void contention_begin(struct contention *contention, const void *lock);

/* It waits no longer. SHARES: with other readers. */
enum contention_outcome { CONTENTION_FAILED, CONTENTION_SHARES, CONTENTION_OWNS };
void contention_end(struct contention *contention, enum contention_outcome outcome);

/* The owner of the lock that is waited for, which other processes may share, is this thread. */
void contention_owned_by(const struct contention *contention, int tid);

/* What the calling thread, which is about to release lock, is to be charged with. */
enum contention_flags {
    CONTENTION_IS_SHARED =
        1, /* others, who are not seen, may have had it while threads of this process waited */
    CONTENTION_IS_SURE = 2 /* the lock's own word says that somebody waits */
};
struct contention_charge {
    struct contention_lock *lock; /* NULL: nothing */
    uint64_t events;              /* releases that this one stands for, * 2^WEIGHT_SHIFT */
    uint64_t ns;                  /* of all waiters together */
    uint64_t unowned_ns;          /* what they waited before the calling thread had the lock */
};
void contention_charge(struct contention_charge *charge, const void *lock, unsigned flags);
void contention_record(const struct contention_charge *charge, enum wait_kind function);

/*
 * For condition.h: threads that wait for a condition and will want its mutex. Those of them that want it
 * already are not known one by one: woken is their number and the sum of the times from which on they do.
 */
struct contention_group {
    _Atomic uint64_t woken;          /* contention_pack() */
    _Atomic uint64_t uncertain_from; /* ticks: from when on, */
    _Atomic uint32_t uncertain;      /* so many others may want it, if somebody does */
};

/* The calling thread will want lock: from `from` on (ticks), or when it is woken before. */
void contention_begin_grouped(const void *lock, struct contention_group *group, uint64_t from);
/* It has it again. since: from when on it wanted it; 0: not known. */
void contention_end_grouped(const void *lock, uint64_t since, uint64_t now);

/* Times are in units of 32 ticks; number and sum of times, modulo 2^48, are one word. */
enum { CONTENTION_UNIT_SHIFT = 5, CONTENTION_SUM_BITS = 48 };
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
