/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Condition variables. The mutex is given up inside, which is a release as any other, and got again inside,
 * which is seen from the signal on: sampler/condition.h. To who waits it is all one wait for the condition.
 */
#include "../sampler/condition.h"
#include "../sampler/contention.h"
#include "../sampler/wait.h"
#include "hooks.h"

/* Ahead of the release inside, by what the call does until then. */
static void lock_given_up(enum wait_kind function, const void *mutex)
{
    if (UNLIKELY(contention_is_waited_for(mutex)) && !contention_is_skipped(mutex))
        contention_record(function, contention_charge(mutex, false));
}

/* By whoever: who is woken will have to wait for it. */
static bool is_held(const void *mutex)
{
    return __atomic_load_n(&((const pthread_mutex_t *)mutex)->__data.__lock, __ATOMIC_RELAXED) != 0;
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
    if (UNLIKELY(condition_is_waited_for(cond)))
        condition_signal(cond, false, is_held);
    return real.pthread_cond_signal(cond);
}

int pthread_cond_broadcast(pthread_cond_t *cond)
{
    if (UNLIKELY(condition_is_waited_for(cond)))
        condition_signal(cond, true, is_held);
    return real.pthread_cond_broadcast(cond);
}

/* ---- */

int cnd_signal(cnd_t *cond)
{
    if (UNLIKELY(condition_is_waited_for(cond)))
        condition_signal(cond, false, is_held);
    return real.cnd_signal(cond);
}

int cnd_broadcast(cnd_t *cond)
{
    if (UNLIKELY(condition_is_waited_for(cond)))
        condition_signal(cond, true, is_held);
    return real.cnd_broadcast(cond);
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_pthread_cond_wait, mutex);
    condition_enter(cond, mutex);
    wait_enter(&wait, WAIT_pthread_cond_wait);
    error = real.pthread_cond_wait(cond, mutex);
    wait_leave_at(&wait, condition_leave(mutex));
    return error;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_pthread_cond_timedwait, mutex);
    condition_enter(cond, mutex);
    wait_enter(&wait, WAIT_pthread_cond_timedwait);
    error = real.pthread_cond_timedwait(cond, mutex, until);
    wait_leave_at(&wait, condition_leave(mutex));
    return error;
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *until)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_pthread_cond_clockwait, mutex);
    condition_enter(cond, mutex);
    wait_enter(&wait, WAIT_pthread_cond_clockwait);
    error = real.pthread_cond_clockwait(cond, mutex, clock, until);
    wait_leave_at(&wait, condition_leave(mutex));
    return error;
}

int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_cnd_wait, mutex);
    condition_enter(cond, mutex);
    wait_enter(&wait, WAIT_cnd_wait);
    error = real.cnd_wait(cond, mutex);
    wait_leave_at(&wait, condition_leave(mutex));
    return error;
}

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until)
{
    struct wait wait;
    int error;

    lock_given_up(WAIT_cnd_timedwait, mutex);
    condition_enter(cond, mutex);
    wait_enter(&wait, WAIT_cnd_timedwait);
    error = real.cnd_timedwait(cond, mutex, until);
    wait_leave_at(&wait, condition_leave(mutex));
    return error;
}
