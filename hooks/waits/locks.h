/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of functions that take and release locks:
 *
 *     LOCKING(MUTEX, pthread_mutex_lock, mutex, (pthread_mutex_t * mutex), (mutex), goes_straight)
 *
 * defines pthread_mutex_lock(). The hook jumps to libc's function if goes_straight is true: because the lock
 * looks free, or because the function is to complain of an argument. Else it tries the lock, and if that is
 * taken it calls libc's function between wait_enter() and wait_leave(). Whatever else there is to say of the
 * lock (it is ours already, its owner died, its ceiling is too low) the real functions say. For each kind of
 * lock KIND_TRY() and KIND_IS_TAKEN() say how it is tried, KIND_HAS() what the caller has then, and
 * KIND_WAITS() what else is to be noted before a wait.
 *
 *     UNLOCKING(pthread_mutex_unlock, mutex, (pthread_mutex_t * mutex), may_be_waited_for, is_release, flags)
 *
 * A release is examined if somebody may wait and the lock changes hands. flags: enum contention_flags.
 */
#ifndef CPROF_HOOKS_LOCKS_H
#define CPROF_HOOKS_LOCKS_H

#include <errno.h>

#include "hooks/hooks.h"
#include "sampler/waits/contention.h"
#include "sampler/waits/wait.h"

#define LOCKING(kind, name, lock, parameters, arguments, goes_straight)                                      \
    __attribute__((noinline)) static int name##_waiting parameters                                           \
    {                                                                                                        \
        struct contention contention;                                                                        \
        struct wait wait;                                                                                    \
        int result;                                                                                          \
        contention_begin(&contention, (const void *)lock);                                                   \
        kind##_WAITS(&contention, lock);                                                                     \
        wait_enter_for(&wait, WAIT_##name, (uintptr_t)lock, contention.start);                               \
        result = real.name arguments;                                                                        \
        contention_end(&contention, kind##_HAS(result));                                                     \
        wait_leave_at(&wait, contention.end);                                                                \
        return result;                                                                                       \
    }                                                                                                        \
    int name parameters                                                                                      \
    {                                                                                                        \
        int result;                                                                                          \
        if ((goes_straight) || UNLIKELY(!wait_at_locks_is_wanted()))                                         \
            return real.name arguments;                                                                      \
        result = kind##_TRY(lock);                                                                           \
        if (UNLIKELY(kind##_IS_TAKEN(result)))                                                               \
            return name##_waiting arguments;                                                                 \
        if (kind##_HAS(result) == CONTENTION_OWNS)                                                           \
            contention_acquired((const void *)lock);                                                         \
        return result;                                                                                       \
    }

#define UNLOCKING(name, lock, parameters, may_be_waited_for, is_release, flags)                              \
    __attribute__((noinline)) static int name##_waited_for parameters                                        \
    {                                                                                                        \
        struct contention_charge charge = {0};                                                               \
        int result;                                                                                          \
        if (is_release)                                                                                      \
            contention_charge(&charge, (const void *)lock, flags);                                           \
        result = real.name(lock);                                                                            \
        if (!result)                                                                                         \
            contention_record(&charge, RELEASE_##name);                                                      \
        return result;                                                                                       \
    }                                                                                                        \
    int name parameters                                                                                      \
    {                                                                                                        \
        return UNLIKELY(may_be_waited_for) ? name##_waited_for(lock) : real.name(lock);                      \
    }

/* A robust mutex is got from an owner that died, too. */
static inline enum contention_outcome lock_owned(int error)
{
    return !error || error == EOWNERDEAD ? CONTENTION_OWNS : CONTENTION_FAILED;
}

/*
 * Whether a mutex that is about to be released may be waited for. A thread that waits in libc sets the
 * mutex's word to 2 (to more than that, or a thread's number, for odd kinds), any other that takes it sets it
 * to 1: then nobody has to be woken, and the threads that wait are on their way already. mutex_is_odd: 0; 2
 * where libc was seen to do otherwise.
 */
extern unsigned mutex_is_odd __attribute__((visibility("hidden")));
/* Libc's function will not wait, most likely. A thread that loses a race for the mutex waits unseen, so this is
   not asked of a mutex that others wait for: there the real function that does not wait is tried. */
static inline bool mutex_is_quiet(const pthread_mutex_t *mutex)
{
    return LIKELY(!__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED)) &&
           !contention_is_waited_for(mutex);
}

static inline bool mutex_says_so(const pthread_mutex_t *mutex)
{
    return UNLIKELY((unsigned)__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) + mutex_is_odd > 1);
}

static inline bool mutex_may_be_waited_for(const pthread_mutex_t *mutex)
{
    return (mutex_says_so(mutex) || contention_is_examined(mutex)) && contention_is_waited_for(mutex);
}

static inline unsigned mutex_flags(const pthread_mutex_t *mutex)
{
    return mutex_says_so(mutex) ? CONTENTION_IS_SURE : 0;
}

#endif
