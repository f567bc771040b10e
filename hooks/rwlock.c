/* SPDX-License-Identifier: Apache-2.0 */
/* Read-write locks: who releases one, as reader or writer, is charged with what others have waited until
 * then. */
#include <errno.h>

#include "../sampler/contention.h"
#include "../sampler/wait.h"
#include "hooks.h"

/* Of a time or a clock that is wrong, they complain also where they need not wait: then they are called. */
static bool can_be_waited_until(clockid_t clock, const struct timespec *until)
{
    return (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && until && until->tv_nsec >= 0 &&
           until->tv_nsec < 1000000000;
}

/* The lock that was taken is so no more after a short while: *error is what the try said then. */
static bool got_by_spinning(struct contention *contention, pthread_rwlock_t *lock, bool to_write, int *error)
{
    while (contention_spin(contention)) {
        *error = to_write ? real.pthread_rwlock_trywrlock(lock) : real.pthread_rwlock_tryrdlock(lock);
        if (*error == EBUSY)
            continue;
        contention_end(contention, to_write && !*error);
        return true;
    }
    return false;
}

__attribute__((noinline)) static int rdlock_waiting(pthread_rwlock_t *lock)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, lock);
    if (got_by_spinning(&contention, lock, false, &error))
        return error;
    wait_enter_for(&wait, WAIT_pthread_rwlock_rdlock, (uintptr_t)lock, contention.start);
    error = real.pthread_rwlock_rdlock(lock);
    contention_end(&contention, false);
    wait_leave_at(&wait, contention.end);
    return error;
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted()))
        return real.pthread_rwlock_rdlock(lock);
    error = real.pthread_rwlock_tryrdlock(lock);
    return LIKELY(error != EBUSY) ? error : rdlock_waiting(lock);
}

__attribute__((noinline)) static int timedrdlock_waiting(pthread_rwlock_t *lock, const struct timespec *until)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, lock);
    if (got_by_spinning(&contention, lock, false, &error))
        return error;
    wait_enter_for(&wait, WAIT_pthread_rwlock_timedrdlock, (uintptr_t)lock, contention.start);
    error = real.pthread_rwlock_timedrdlock(lock, until);
    contention_end(&contention, false);
    wait_leave_at(&wait, contention.end);
    return error;
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *until)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted() || !can_be_waited_until(CLOCK_REALTIME, until)))
        return real.pthread_rwlock_timedrdlock(lock, until);
    error = real.pthread_rwlock_tryrdlock(lock);
    return LIKELY(error != EBUSY) ? error : timedrdlock_waiting(lock, until);
}

__attribute__((noinline)) static int clockrdlock_waiting(pthread_rwlock_t *lock, clockid_t clock,
                                                         const struct timespec *until)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, lock);
    if (got_by_spinning(&contention, lock, false, &error))
        return error;
    wait_enter_for(&wait, WAIT_pthread_rwlock_clockrdlock, (uintptr_t)lock, contention.start);
    error = real.pthread_rwlock_clockrdlock(lock, clock, until);
    contention_end(&contention, false);
    wait_leave_at(&wait, contention.end);
    return error;
}

int pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *until)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted() || !can_be_waited_until(clock, until)))
        return real.pthread_rwlock_clockrdlock(lock, clock, until);
    error = real.pthread_rwlock_tryrdlock(lock);
    return LIKELY(error != EBUSY) ? error : clockrdlock_waiting(lock, clock, until);
}

int pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    int error = real.pthread_rwlock_trywrlock(lock);
    if (UNLIKELY(contention_is_waited_for(lock)) && !error)
        contention_acquired(lock);
    return error;
}

__attribute__((noinline)) static int wrlock_waiting(pthread_rwlock_t *lock)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, lock);
    if (got_by_spinning(&contention, lock, true, &error))
        return error;
    wait_enter_for(&wait, WAIT_pthread_rwlock_wrlock, (uintptr_t)lock, contention.start);
    error = real.pthread_rwlock_wrlock(lock);
    contention_end(&contention, !error);
    wait_leave_at(&wait, contention.end);
    return error;
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted()))
        return real.pthread_rwlock_wrlock(lock);
    error = real.pthread_rwlock_trywrlock(lock);
    if (UNLIKELY(error == EBUSY))
        return wrlock_waiting(lock);
    if (UNLIKELY(contention_is_waited_for(lock)) && !error)
        contention_acquired(lock);
    return error;
}

__attribute__((noinline)) static int timedwrlock_waiting(pthread_rwlock_t *lock, const struct timespec *until)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, lock);
    if (got_by_spinning(&contention, lock, true, &error))
        return error;
    wait_enter_for(&wait, WAIT_pthread_rwlock_timedwrlock, (uintptr_t)lock, contention.start);
    error = real.pthread_rwlock_timedwrlock(lock, until);
    contention_end(&contention, !error);
    wait_leave_at(&wait, contention.end);
    return error;
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *until)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted() || !can_be_waited_until(CLOCK_REALTIME, until)))
        return real.pthread_rwlock_timedwrlock(lock, until);
    error = real.pthread_rwlock_trywrlock(lock);
    if (UNLIKELY(error == EBUSY))
        return timedwrlock_waiting(lock, until);
    if (UNLIKELY(contention_is_waited_for(lock)) && !error)
        contention_acquired(lock);
    return error;
}

__attribute__((noinline)) static int clockwrlock_waiting(pthread_rwlock_t *lock, clockid_t clock,
                                                         const struct timespec *until)
{
    struct wait wait;
    struct contention contention;
    int error;

    contention_begin(&contention, lock);
    if (got_by_spinning(&contention, lock, true, &error))
        return error;
    wait_enter_for(&wait, WAIT_pthread_rwlock_clockwrlock, (uintptr_t)lock, contention.start);
    error = real.pthread_rwlock_clockwrlock(lock, clock, until);
    contention_end(&contention, !error);
    wait_leave_at(&wait, contention.end);
    return error;
}

int pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *until)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted() || !can_be_waited_until(clock, until)))
        return real.pthread_rwlock_clockwrlock(lock, clock, until);
    error = real.pthread_rwlock_trywrlock(lock);
    if (UNLIKELY(error == EBUSY))
        return clockwrlock_waiting(lock, clock, until);
    if (UNLIKELY(contention_is_waited_for(lock)) && !error)
        contention_acquired(lock);
    return error;
}

__attribute__((noinline)) static int unlock_waited_for(pthread_rwlock_t *lock)
{
    struct contention_charge charge = contention_charge(lock, lock->__data.__shared);
    int error = real.pthread_rwlock_unlock(lock);
    if (!error)
        contention_record(RELEASE_pthread_rwlock_unlock, charge);
    return error;
}

int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    if (LIKELY(!contention_is_waited_for(lock)))
        return real.pthread_rwlock_unlock(lock);
    return unlock_waited_for(lock);
}
