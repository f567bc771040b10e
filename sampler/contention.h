/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a lock that others wait for. A thread that finds a lock taken registers under the lock's address;
 * whoever releases it is charged with the time that all of them have waited since the last release, as in
 * Go's mutex profile. The table is private, bounded and lock-free; an unlock that nobody waits for pays one
 * load.
 *
 * Use, in a hook:
 *     contention_begin(&contention, lock);
 *     real lock
 *     contention_end(&contention);
 * and
 *     if (!contention_is_waited_for(lock))
 *         return real unlock
 *     charge = contention_charge();
 *     real unlock, then contention_released(lock, charge); // the lock itself is not touched any more
 *
 * Only waiters of this process are seen. Signal-safe, any thread; errno untouched.
 */
#ifndef CPROF_SAMPLER_CONTENTION_H
#define CPROF_SAMPLER_CONTENTION_H

#include <stdbool.h>
#include <stdint.h>

enum { CONTENTION_FILTER = 4096 };
extern uint16_t contention_filter[CONTENTION_FILTER] __attribute__((visibility("hidden")));

struct contention {
    uint32_t entry;      /* 1 + index of the lock's entry; 0: not registered */
    uint32_t generation; /* of the table: a forked child starts with an empty one */
    uint16_t filter;
};

static inline unsigned contention_filter_index(const void *lock)
{
    return (unsigned)((uintptr_t)lock * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

static inline bool contention_is_waited_for(const void *lock)
{
    return __builtin_expect(((volatile uint16_t *)contention_filter)[contention_filter_index(lock)] != 0, 0);
}

/* The calling thread waits for lock from now on. Does nothing while mutex profiles are off. */
void contention_begin(struct contention *contention, const void *lock);
void contention_end(struct contention *contention);

/* The instant of a release, read before the real one. 0: do not charge. */
uint64_t contention_instant(void);

/* lock was released at that instant: charges the caller's stack with what others have waited. */
void contention_released(const void *lock, uint64_t instant);

/* Of contention_released(), what was to be charged: ticks, all waiters together. For tests. */
uint64_t contention_take(const void *lock, uint64_t instant);

/* In a forked child, whose other threads are gone. */
void contention_forget(void);

#endif
