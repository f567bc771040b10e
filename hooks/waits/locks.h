/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of functions that take and release locks:
 *
 *     LOCKING(MUTEX, pthread_mutex_lock, mutex, (pthread_mutex_t * mutex), (mutex), true)
 *
 * defines pthread_mutex_lock(), which tries the lock first, and calls libc's between wait_enter() and
 * wait_leave() where it is taken. Whatever else there is to say of the lock (it is ours already, its owner
 * died, its ceiling is too low) the real functions say, first the one that does not wait. The last argument
 * tells whether the others are such that the function need not be called to complain of them. For each kind
 * of lock KIND_TRY() and KIND_IS_TAKEN() say how it is tried, KIND_HAS() what the caller has then, and
 * KIND_WAITS() what else is to be noted before a wait.
 *
 *     UNLOCKING(pthread_mutex_unlock, mutex, (pthread_mutex_t * mutex), (mutex), ...)
 *
 * tells of a lock whether it may be waited for, whether this is a release at all, and whether others, who are
 * not seen, may have had it, too.
 */
#ifndef CPROF_HOOKS_LOCKS_H
#define CPROF_HOOKS_LOCKS_H

#include <errno.h>

#include "hooks/hooks.h"
#include "sampler/waits/contention.h"
#include "sampler/waits/wait.h"

#define LOCKING(kind, name, lock, parameters, arguments, is_valid)                                           \
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
        if (UNLIKELY(!wait_at_locks_is_wanted() || !(is_valid)))                                             \
            return real.name arguments;                                                                      \
        result = kind##_TRY(lock);                                                                           \
        if (UNLIKELY(kind##_IS_TAKEN(result)))                                                               \
            return name##_waiting arguments;                                                                 \
        if (contention_is_watched((const void *)lock) && kind##_HAS(result) == CONTENTION_OWNS)              \
            contention_acquired((const void *)lock);                                                         \
        return result;                                                                                       \
    }

#define TRYING(kind, name, lock, parameters)                                                                 \
    int name parameters                                                                                      \
    {                                                                                                        \
        int result = real.name(lock);                                                                        \
        if (contention_is_watched((const void *)lock) && kind##_HAS(result) == CONTENTION_OWNS)              \
            contention_acquired((const void *)lock);                                                         \
        return result;                                                                                       \
    }

#define UNLOCKING(name, lock, parameters, is_waited_for, is_release, is_shared)                              \
    __attribute__((noinline)) static int name##_waited_for parameters                                        \
    {                                                                                                        \
        struct contention_charge charge = {0};                                                               \
        int result;                                                                                          \
        if (is_release)                                                                                      \
            contention_charge(&charge, (const void *)lock, is_shared);                                       \
        result = real.name(lock);                                                                            \
        if (!result)                                                                                         \
            contention_record(&charge, RELEASE_##name);                                                      \
        return result;                                                                                       \
    }                                                                                                        \
    int name parameters                                                                                      \
    {                                                                                                        \
        return UNLIKELY(is_waited_for) ? name##_waited_for(lock) : real.name(lock);                          \
    }

/* A robust mutex is got from an owner that died, too. */
static inline enum contention_outcome lock_owned(int error)
{
    return !error || error == EOWNERDEAD ? CONTENTION_OWNS : CONTENTION_FAILED;
}

/*
 * Whether a mutex that is about to be released may be waited for. Who waits in libc sets the mutex's word to
 * 2 (to more than that, or a thread's number, for odd kinds), whoever else takes it sets it to 1: then nobody
 * has to be woken, and the threads that wait are on their way already. mutex_alone: 1 where libc was seen to
 * do so, else what no word is.
 */
extern unsigned mutex_alone __attribute__((visibility("hidden")));
static inline bool mutex_may_be_waited_for(const pthread_mutex_t *mutex)
{
    return contention_is_waited_for(mutex) &&
           ((unsigned)__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) != mutex_alone ||
            contention_is_watched(mutex));
}

#endif
