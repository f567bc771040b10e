/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutexes of pthread and C11, and spin locks. Only a lock that is taken already is anything to us; whatever
 * else there is to say of it (it is ours already, its owner died, its ceiling is too low) the real functions
 * say, first the one that does not wait.
 */
#include <errno.h>

#include "../sampler/contention.h"
#include "../sampler/wait.h"
#include "hooks.h"

/* A recursive mutex that is, or stays, locked more than once does not change hands. A mtx_t is a
 * pthread_mutex_t to glibc. */
static bool is_held_again(const void *lock)
{
    const pthread_mutex_t *mutex = lock;
    return (mutex->__data.__kind & 3) == PTHREAD_MUTEX_RECURSIVE_NP && mutex->__data.__count > 1;
}

/* Glibc marks robust mutexes as shared with other processes, too, which few of them are. */
static void note_owner(const struct contention *contention, const pthread_mutex_t *mutex)
{
    enum { PROCESS_SHARED = 128 }; /* of __kind, from glibc's pthreadP.h */
    if (UNLIKELY(mutex->__data.__kind & PROCESS_SHARED))
        contention_owned_by(contention, *(const volatile int *)&mutex->__data.__owner);
}

/* A robust mutex is got from an owner that died, too. */
static bool got_it(int error)
{
    return !error || error == EOWNERDEAD;
}

__attribute__((noinline)) static void note_acquired(const void *mutex)
{
    if (!is_held_again(mutex))
        contention_acquired(mutex);
}

/* The lock that was taken is so no more after a short while: *error is what trylock said then. */
static bool got_by_spinning(struct contention *contention, pthread_mutex_t *mutex, int *error)
{
    while (contention_spin(contention)) {
        if (*(volatile int *)&mutex->__data.__lock)
            continue;
        *error = real.pthread_mutex_trylock(mutex);
        if (*error == EBUSY)
            continue;
        contention_end(contention, got_it(*error) && !is_held_again(mutex));
        return true;
    }
    return false;
}

/* ---- pthread */

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    int error = real.pthread_mutex_trylock(mutex);
    if (UNLIKELY(contention_is_waited_for(mutex)) && got_it(error))
        note_acquired(mutex);
    return error;
}

__attribute__((noinline)) static int lock_waiting(pthread_mutex_t *mutex)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, mutex);
    if (got_by_spinning(&contention, mutex, &error))
        return error;
    note_owner(&contention, mutex);
    wait_enter_for(&wait, WAIT_pthread_mutex_lock, (uintptr_t)mutex, contention.start);
    error = real.pthread_mutex_lock(mutex);
    contention_end(&contention, got_it(error));
    wait_leave_at(&wait, contention.end);
    return error;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted()))
        return real.pthread_mutex_lock(mutex);
    error = real.pthread_mutex_trylock(mutex);
    if (UNLIKELY(error == EBUSY))
        return lock_waiting(mutex);
    if (UNLIKELY(contention_is_waited_for(mutex)) && got_it(error))
        note_acquired(mutex);
    return error;
}

__attribute__((noinline)) static int timedlock_waiting(pthread_mutex_t *mutex, const struct timespec *until)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, mutex);
    if (got_by_spinning(&contention, mutex, &error))
        return error;
    note_owner(&contention, mutex);
    wait_enter_for(&wait, WAIT_pthread_mutex_timedlock, (uintptr_t)mutex, contention.start);
    error = real.pthread_mutex_timedlock(mutex, until);
    contention_end(&contention, got_it(error));
    wait_leave_at(&wait, contention.end);
    return error;
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted()))
        return real.pthread_mutex_timedlock(mutex, until);
    error = real.pthread_mutex_trylock(mutex);
    if (UNLIKELY(error == EBUSY))
        return timedlock_waiting(mutex, until);
    if (UNLIKELY(contention_is_waited_for(mutex)) && got_it(error))
        note_acquired(mutex);
    return error;
}

__attribute__((noinline)) static int clocklock_waiting(pthread_mutex_t *mutex, clockid_t clock,
                                                       const struct timespec *until)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, mutex);
    if (got_by_spinning(&contention, mutex, &error))
        return error;
    note_owner(&contention, mutex);
    wait_enter_for(&wait, WAIT_pthread_mutex_clocklock, (uintptr_t)mutex, contention.start);
    error = real.pthread_mutex_clocklock(mutex, clock, until);
    contention_end(&contention, got_it(error));
    wait_leave_at(&wait, contention.end);
    return error;
}

/* Of a clock that cannot be waited by, it complains also where it need not wait. */
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted() || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)))
        return real.pthread_mutex_clocklock(mutex, clock, until);
    error = real.pthread_mutex_trylock(mutex);
    if (UNLIKELY(error == EBUSY))
        return clocklock_waiting(mutex, clock, until);
    if (UNLIKELY(contention_is_waited_for(mutex)) && got_it(error))
        note_acquired(mutex);
    return error;
}

__attribute__((noinline)) static int unlock_waited_for(pthread_mutex_t *mutex)
{
    struct contention_charge charge = {0, 0};
    int error;

    if (!is_held_again(mutex))
        charge = contention_charge(mutex, false);
    error = real.pthread_mutex_unlock(mutex);
    if (!error)
        contention_record(RELEASE_pthread_mutex_unlock, charge);
    return error;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (LIKELY(!contention_is_waited_for(mutex)) || contention_is_skipped(mutex))
        return real.pthread_mutex_unlock(mutex);
    return unlock_waited_for(mutex);
}

/* ---- C11 */

int mtx_trylock(mtx_t *mutex)
{
    int error = real.mtx_trylock(mutex);
    if (UNLIKELY(contention_is_waited_for(mutex)) && got_it(error))
        note_acquired(mutex);
    return error;
}

__attribute__((noinline)) static int mtx_waiting(mtx_t *mutex)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, mutex);
    if (got_by_spinning(&contention, (pthread_mutex_t *)mutex, &error))
        return error;
    wait_enter_for(&wait, WAIT_mtx_lock, (uintptr_t)mutex, contention.start);
    error = real.mtx_lock(mutex);
    contention_end(&contention, got_it(error));
    wait_leave_at(&wait, contention.end);
    return error;
}

int mtx_lock(mtx_t *mutex)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted()))
        return real.mtx_lock(mutex);
    error = real.mtx_trylock(mutex);
    if (UNLIKELY(error == thrd_busy))
        return mtx_waiting(mutex);
    if (UNLIKELY(contention_is_waited_for(mutex)) && got_it(error))
        note_acquired(mutex);
    return error;
}

__attribute__((noinline)) static int mtx_timed_waiting(mtx_t *mutex, const struct timespec *until)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, mutex);
    if (got_by_spinning(&contention, (pthread_mutex_t *)mutex, &error))
        return error;
    wait_enter_for(&wait, WAIT_mtx_timedlock, (uintptr_t)mutex, contention.start);
    error = real.mtx_timedlock(mutex, until);
    contention_end(&contention, got_it(error));
    wait_leave_at(&wait, contention.end);
    return error;
}

int mtx_timedlock(mtx_t *mutex, const struct timespec *until)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted()))
        return real.mtx_timedlock(mutex, until);
    error = real.mtx_trylock(mutex);
    if (UNLIKELY(error == thrd_busy))
        return mtx_timed_waiting(mutex, until);
    if (UNLIKELY(contention_is_waited_for(mutex)) && got_it(error))
        note_acquired(mutex);
    return error;
}

__attribute__((noinline)) static int mtx_unlock_waited_for(mtx_t *mutex)
{
    struct contention_charge charge = {0, 0};
    int error;

    if (!is_held_again(mutex))
        charge = contention_charge(mutex, false);
    error = real.mtx_unlock(mutex);
    if (error == thrd_success)
        contention_record(RELEASE_mtx_unlock, charge);
    return error;
}

int mtx_unlock(mtx_t *mutex)
{
    if (LIKELY(!contention_is_waited_for(mutex)) || contention_is_skipped(mutex))
        return real.mtx_unlock(mutex);
    return mtx_unlock_waited_for(mutex);
}

/* ---- spin locks: who waits uses the CPU, so there is no wait to mark */

int pthread_spin_trylock(pthread_spinlock_t *lock)
{
    int error = real.pthread_spin_trylock(lock);
    if (UNLIKELY(contention_is_waited_for((const void *)lock)) && !error)
        contention_acquired((const void *)lock);
    return error;
}

__attribute__((noinline)) static int spin_waiting(pthread_spinlock_t *lock)
{
    struct contention contention;
    int error;

    contention_begin(&contention, (const void *)lock);
    while (contention_spin(&contention)) {
        error = real.pthread_spin_trylock(lock);
        if (error != EBUSY) {
            contention_end(&contention, !error);
            return error;
        }
    }
    error = real.pthread_spin_lock(lock);
    contention_end(&contention, true);
    return error;
}

int pthread_spin_lock(pthread_spinlock_t *lock)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted()))
        return real.pthread_spin_lock(lock);
    error = real.pthread_spin_trylock(lock);
    if (UNLIKELY(error == EBUSY))
        return spin_waiting(lock);
    if (UNLIKELY(contention_is_waited_for((const void *)lock)) && !error)
        contention_acquired((const void *)lock);
    return error;
}

__attribute__((noinline)) static int spin_unlock_waited_for(pthread_spinlock_t *lock)
{
    struct contention_charge charge = contention_charge((const void *)lock, false);
    int error = real.pthread_spin_unlock(lock);
    contention_record(RELEASE_pthread_spin_unlock, charge);
    return error;
}

int pthread_spin_unlock(pthread_spinlock_t *lock)
{
    if (LIKELY(!contention_is_waited_for((const void *)lock)) || contention_is_skipped((const void *)lock))
        return real.pthread_spin_unlock(lock);
    return spin_unlock_waited_for(lock);
}
