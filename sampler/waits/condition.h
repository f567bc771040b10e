/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other half of waiting for a condition: whoever is woken has to get the mutex again, inside the call,
 * and waits for whoever signalled with the mutex held, or was woken before. From the signal on, or from the
 * first one's return, it counts as a waiter of the mutex, so that its holders are charged; contention.h has
 * the rest.
 *
 * Use, in hooks: condition_enter() before the real wait, condition_leave() after it, condition_signal()
 * before the real signal. The table is private, bounded and lock-free; a signal that nobody waits for pays
 * one load. Only waiters of this process are seen. Any thread; errno untouched.
 */
#ifndef CPROF_SAMPLER_CONDITION_H
#define CPROF_SAMPLER_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

enum { CONDITION_FILTER = 1024 };
extern uint16_t condition_filter[CONDITION_FILTER] __attribute__((visibility("hidden")));

static inline bool condition_is_waited_for(const void *cond)
{
    unsigned index = (unsigned)((uintptr_t)cond >> 3) % CONDITION_FILTER;
    return __builtin_expect(((volatile uint16_t *)condition_filter)[index] != 0, 0);
}

/* The calling thread, which holds mutex, is about to wait for cond, until then at most (NULL: for ever).
   Nothing while mutex profiles are off. */
struct timespec;
void condition_enter(const void *cond, const void *mutex, const struct timespec *until);

/* It has come back, with the mutex. When that was, in ticks; 0 where condition_enter() did nothing. */
uint64_t condition_leave(const void *mutex);

/* The calling thread is about to wake one of those who wait, or all. state(mutex) tells who has the mutex. */
enum condition_mutex { CONDITION_MUTEX_FREE, CONDITION_MUTEX_OWN, CONDITION_MUTEX_TAKEN };
void condition_signal(const void *cond, bool all, enum condition_mutex (*state)(const void *mutex));

/* The calling thread was cancelled in its wait for a condition or a lock, or left it by longjmp(). */
void condition_abandon(void);

/* In a forked child: of waits for conditions and locks. */
void condition_forget(void);

#endif
