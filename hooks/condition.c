/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Condition variables. The mutex is given up inside, which is a release as any other; that it is taken again
 * inside cannot be seen from here, and counts as a wait for the condition.
 */
#include "../sampler/contention.h"
#include "../sampler/wait.h"
#include "hooks.h"

/* Ahead of the release inside, by what the call does until then. */
static void lock_given_up(enum wait_kind function, const void *mutex)
{
    if (UNLIKELY(contention_is_waited_for(mutex)) && !contention_is_skipped(mutex))
        contention_record(function, contention_charge(mutex));
}

/* On return the mutex is ours again, whatever the result (but not if it is an error). */
static void lock_got_back(const void *mutex)
{
    if (UNLIKELY(contention_is_waited_for(mutex)))
        contention_acquired(mutex);
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

int pthread_cond_signal(pthread_cond_t *cond)
{
    return real.pthread_cond_signal(cond);
}

int pthread_cond_broadcast(pthread_cond_t *cond)
{
    return real.pthread_cond_broadcast(cond);
}

/* ---- */

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_pthread_cond_wait, mutex);
    wait_enter(&wait, WAIT_pthread_cond_wait);
    error = real.pthread_cond_wait(cond, mutex);
    lock_got_back(mutex);
    wait_leave(&wait);
    return error;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_pthread_cond_timedwait, mutex);
    wait_enter(&wait, WAIT_pthread_cond_timedwait);
    error = real.pthread_cond_timedwait(cond, mutex, until);
    lock_got_back(mutex);
    wait_leave(&wait);
    return error;
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *until)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_pthread_cond_clockwait, mutex);
    wait_enter(&wait, WAIT_pthread_cond_clockwait);
    error = real.pthread_cond_clockwait(cond, mutex, clock, until);
    lock_got_back(mutex);
    wait_leave(&wait);
    return error;
}

int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_cnd_wait, mutex);
    wait_enter(&wait, WAIT_cnd_wait);
    error = real.cnd_wait(cond, mutex);
    lock_got_back(mutex);
    wait_leave(&wait);
    return error;
}

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_cnd_timedwait, mutex);
    wait_enter(&wait, WAIT_cnd_timedwait);
    error = real.cnd_timedwait(cond, mutex, until);
    lock_got_back(mutex);
    wait_leave(&wait);
    return error;
}
