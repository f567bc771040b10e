/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Condition variables. The mutex is given up inside, which is a release as any other, and got again inside,
 * which is seen from the signal on: sampler/waits/condition.h. To who waits it is all one wait for the
 * condition.
 */
#include "sampler/waits/condition.h"
#include "sampler/libc/libc.h"

#include "locks.h"

/* Ahead of the release inside, by what the call does until then. */
static void lock_given_up(enum wait_kind function, const pthread_mutex_t *mutex)
{
    struct contention_charge charge;

    if (LIKELY(!mutex_may_be_waited_for(mutex)) || musl_denies(mutex))
        return;
    contention_charge(&charge, mutex, mutex_flags(mutex));
    contention_record(&charge, function);
}

/* The calling thread is the owner, or else nobody is: nobody then is about to wait for the condition. */
static enum condition_mutex mutex_state(const void *lock)
{
    const pthread_mutex_t *mutex = lock;
    clockid_t clock = 0;

    if (!mutex_is_locked(mutex))
        return CONDITION_MUTEX_FREE;
    /* A thread's CPU clock has its number, which libc knows. */
    if (libc.pthread_getcpuclockid && !libc.pthread_getcpuclockid(pthread_self(), &clock) &&
        mutex_owner(mutex) == (int)(~(unsigned)clock >> 3))
        return CONDITION_MUTEX_OWN;
    return CONDITION_MUTEX_TAKEN;
}

/* ---- forwarded, so that all that touches a condition is of one version */

int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    return real.pthread_cond_init(cond, attr);
}

int pthread_cond_destroy(pthread_cond_t *cond)
{
    return real.pthread_cond_destroy(cond);
}

/* ---- */

#define SIGNALLING(name, all, type)                                                                          \
    int name(type *cond)                                                                                     \
    {                                                                                                        \
        if (UNLIKELY(condition_is_waited_for(cond)))                                                         \
            condition_signal(cond, all, mutex_state);                                                        \
        return real.name(cond);                                                                              \
    }
SIGNALLING(pthread_cond_signal, false, pthread_cond_t)
SIGNALLING(pthread_cond_broadcast, true, pthread_cond_t)
SIGNALLING(cnd_signal, false, cnd_t)
SIGNALLING(cnd_broadcast, true, cnd_t)

#define AWAITING(name, parameters, arguments, until)                                                         \
    int name parameters                                                                                      \
    {                                                                                                        \
        struct wait wait;                                                                                    \
        int error;                                                                                           \
        lock_given_up(WAIT_##name, (const pthread_mutex_t *)mutex);                                          \
        condition_enter(cond, mutex, until);                                                                 \
        wait_enter(&wait, WAIT_##name);                                                                      \
        error = real.name arguments;                                                                         \
        wait_leave_at(&wait, condition_leave(mutex));                                                        \
        return error;                                                                                        \
    }
AWAITING(pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex), (cond, mutex), NULL)
AWAITING(pthread_cond_timedwait,
         (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *until), (cond, mutex, until),
         until)
AWAITING(pthread_cond_clockwait,
         (pthread_cond_t * cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until),
         (cond, mutex, clock, until), until)
AWAITING(cnd_wait, (cnd_t * cond, mtx_t *mutex), (cond, mutex), NULL)
AWAITING(cnd_timedwait, (cnd_t * cond, mtx_t *mutex, const struct timespec *until), (cond, mutex, until),
         until)
