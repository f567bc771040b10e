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
 * lock KIND_TRY() and KIND_IS_TAKEN() say how it is tried, KIND_HAS() what the caller has then, KIND_WAITS() what
 * else is to be noted before a wait, and KIND_STRAIGHT() what the hook jumps to.
 *
 *     UNLOCKING(pthread_mutex_unlock, mutex, (pthread_mutex_t * mutex), may_be_waited_for, is_release, flags)
 *
 * A release is examined if somebody may wait and the lock changes hands. flags: enum contention_flags.
 */
#ifndef CPROF_HOOKS_LOCKS_H
#define CPROF_HOOKS_LOCKS_H

#include <errno.h>

#include "hooks/hooks.h"
#include "layouts.h"
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
    __attribute__((always_inline)) static inline int name##_tried parameters                                 \
    {                                                                                                        \
        int result = kind##_TRY(lock);                                                                       \
        if (UNLIKELY(kind##_IS_TAKEN(result)))                                                               \
            return name##_waiting arguments;                                                                 \
        if (kind##_HAS(result) == CONTENTION_OWNS)                                                           \
            contention_acquired((const void *)lock);                                                         \
        return result;                                                                                       \
    }                                                                                                        \
    kind##_BESIDE(name, lock, parameters, arguments);                                                        \
    int name parameters                                                                                      \
    {                                                                                                        \
        if ((goes_straight) || UNLIKELY(!wait_at_locks_is_wanted()))                                         \
            return kind##_STRAIGHT(name) arguments;                                                          \
        return name##_tried arguments;                                                                       \
    }

/*
 * A mutex looks free by glibc's word of it, which is none of musl's. So what the hook jumps to is a pointer, at no cost:
 * to libc's function, or for musl to one that looks at musl's word first. The first call sets it.
 */
#define MUSL_BESIDE(name, lock, parameters, arguments)                                                       \
    static int name##_first parameters;                                                                      \
    static int(*name##_straight) parameters = name##_first;                                                  \
    static int name##_of_musl parameters                                                                     \
    {                                                                                                        \
        bool is_free = !mutex_is_locked((const pthread_mutex_t *)lock);                                      \
        return LIKELY(is_free) || !wait_at_locks_is_wanted() ? real.name arguments : name##_tried arguments; \
    }                                                                                                        \
    static int name##_first parameters                                                                       \
    {                                                                                                        \
        int result = real.name arguments; /* which also looks it up */                                       \
        __atomic_store_n(&name##_straight, libc_is_musl() ? name##_of_musl : real.name, __ATOMIC_RELAXED);   \
        return result;                                                                                       \
    }                                                                                                        \
    _Static_assert(1, "")

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
    bool is_sure = libc_is_musl() ? musl_mutex_is_waited_for(mutex) : mutex_says_so(mutex);
    return is_sure ? CONTENTION_IS_SURE : 0;
}

/* Off the fast path: what mutex_says_so() does not know of musl's mutexes. */
static inline bool musl_denies(const pthread_mutex_t *mutex)
{
    return libc_is_musl() && !musl_mutex_is_waited_for(mutex) && !contention_is_examined(mutex);
}

static inline bool mutex_is_to_be_charged(const pthread_mutex_t *mutex)
{
    return mutex_is_released(mutex) && !musl_denies(mutex);
}

#endif
