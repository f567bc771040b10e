/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a lock that others wait for. A thread that finds a lock taken registers under the lock's address;
 * whoever releases it is charged with the time that others waited while it was held, as in Go's mutex
 * profile. The table is private, bounded and lock-free; an acquisition and a release that nobody waits for
 * pay one load each.
 *
 * Use, in hooks:
 *     trylock; if it worked and contention_is_waited_for(lock): contention_acquired(lock)
 *     else contention_begin(&contention, lock)
 *     while (contention_spin(&contention))
 *         trylock; if it worked: contention_end(&contention, true), and return
 *     real lock, contention_end(&contention, it worked)
 * and
 *     if (!contention_is_waited_for(lock) || contention_is_skipped(lock))
 *         return real unlock
 *     charge = contention_charge(lock, others may have it, too);   // while it is still held
 *     real unlock                                  // from here on the lock's memory is not touched any more
 *     contention_record(RELEASE_function, charge); // walks the stack
 *
 * Only waiters of this process are seen. Signal-safe, any thread; errno untouched.
 */
#ifndef CPROF_SAMPLER_CONTENTION_H
#define CPROF_SAMPLER_CONTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "threads.h"

enum { CONTENTION_FILTER = 4096 };
extern uint16_t contention_filter[CONTENTION_FILTER] __attribute__((visibility("hidden")));

struct contention {
    uint64_t start, end; /* ticks; 0: mutex profiles are off; it has not ended, or was not registered */
    const void *lock;
    uint32_t entry;      /* 1 + index of the lock's entry; 0: not registered */
    uint32_t generation; /* of the table: a forked child starts with an empty one */
    uint8_t abandons;    /* thread_local_state's */
    uint8_t count;       /* of the waiters that it stands for */
    uint8_t spins;       /* rounds of contention_spin() */
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

/* The calling thread's holding of lock is one of those that are not looked at. Once. */
static inline bool contention_is_skipped(const void *lock)
{
    struct thread_local_state *self = &thread_local_state;
    if (self->holding != HOLDING_SKIPPED || self->skip_lock != lock)
        return false;
    self->holding = HOLDING_NONE;
    return true;
}

/* The calling thread waits for lock from now on. Does nothing while mutex profiles are off. */
void contention_begin(struct contention *contention, const void *lock);

/* The same for one who has tried for long enough. */
void contention_begin_long(struct contention *contention, const void *lock);

/* Where a word of the program's own may be a lock: it was, and is to be charged for. */
void contention_prove(const struct contention *contention);
bool contention_is_proven(const void *lock);

/* Spends some 100 ns. false: it is time to wait in earnest, to be called no more for this wait. */
bool contention_spin(struct contention *contention);

/* A lock that processes may share is held by this thread of any of them; before a wait in earnest. */
void contention_owned_by(const struct contention *contention, int tid);

void contention_end(struct contention *contention, bool acquired);

/* The calling thread has lock for itself (not: shares it with other readers). */
void contention_look(const void *lock, uint64_t now);
static inline void contention_acquired_at(const void *lock, uint64_t now)
{
    struct thread_local_state *self = &thread_local_state;
    if (!self->skips || self->skip_lock != lock) {
        contention_look(lock, now);
        return;
    }
    self->skips--;
    self->holding = HOLDING_SKIPPED;
}
static inline void contention_acquired(const void *lock)
{
    contention_acquired_at(lock, 0);
}

/* The calling thread is about to release lock: what it is to be charged with. is_shared: perhaps others, who
   are not seen, had it while threads of this process waited. */
struct contention_charge {
    uint64_t ticks;  /* of all waiters together, scaled up */
    uint64_t events; /* releases that this one stands for, * 2^WEIGHT_SHIFT; 0: it is not recorded */
};
struct contention_charge contention_charge(const void *lock, bool is_shared);
void contention_record(enum wait_kind function, struct contention_charge charge);

/*
 * For condition.h: waiters in number, who began at this time, and those of them who wait no longer. Times are
 * in units of 32 ticks; number and sum of times, modulo 2^48, are one word. Returns where, or 0 (counted).
 */
enum { CONTENTION_UNIT_SHIFT = 5, CONTENTION_SUM_BITS = 48, CONTENTION_MOST = 0xffff };
uint32_t contention_add(const void *lock, uint32_t count, uint64_t now);
void contention_remove(uint32_t at, const void *lock, uint32_t count, uint64_t start, uint64_t end);
const void *contention_lock(uint32_t at);

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
