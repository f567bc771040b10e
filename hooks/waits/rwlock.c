/* SPDX-License-Identifier: Apache-2.0 */
/* Read-write locks: who releases one, as reader or writer, is charged with what others have waited until
 * then. */
#include "locks.h"

/* Of a time or a clock that is wrong, they complain also where they need not wait: then they are called. */
static bool can_be_waited_until(clockid_t clock, const struct timespec *until)
{
    return (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && until && until->tv_nsec >= 0 &&
           until->tv_nsec < 1000000000;
}

#define READ_TRY(lock)                real.pthread_rwlock_tryrdlock(lock)
#define READ_IS_TAKEN(error)          ((error) == EBUSY)
#define READ_HAS(error)               ((error) ? CONTENTION_FAILED : CONTENTION_SHARES)
#define READ_WAITS(contention, lock)  (void)0
#define READ_STRAIGHT(name)           real.name
#define READ_BESIDE(...)              _Static_assert(1, "")
#define WRITE_TRY(lock)               real.pthread_rwlock_trywrlock(lock)
#define WRITE_IS_TAKEN(error)         ((error) == EBUSY)
#define WRITE_HAS(error)              ((error) ? CONTENTION_FAILED : CONTENTION_OWNS)
#define WRITE_WAITS(contention, lock) (void)0
#define WRITE_STRAIGHT(name)          real.name
#define WRITE_BESIDE(...)             _Static_assert(1, "")

LOCKING(READ, pthread_rwlock_rdlock, lock, (pthread_rwlock_t * lock), (lock), false)
LOCKING(READ, pthread_rwlock_timedrdlock, lock, (pthread_rwlock_t * lock, const struct timespec *until),
        (lock, until), !can_be_waited_until(CLOCK_REALTIME, until))
LOCKING(READ, pthread_rwlock_clockrdlock, lock,
        (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until), (lock, clock, until),
        !can_be_waited_until(clock, until))

LOCKING(WRITE, pthread_rwlock_wrlock, lock, (pthread_rwlock_t * lock), (lock), false)
LOCKING(WRITE, pthread_rwlock_timedwrlock, lock, (pthread_rwlock_t * lock, const struct timespec *until),
        (lock, until), !can_be_waited_until(CLOCK_REALTIME, until))
LOCKING(WRITE, pthread_rwlock_clockwrlock, lock,
        (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until), (lock, clock, until),
        !can_be_waited_until(clock, until))

UNLOCKING(pthread_rwlock_unlock, lock, (pthread_rwlock_t * lock), contention_is_waited_for(lock), true,
          rwlock_is_process_shared(lock) ? CONTENTION_IS_SHARED : 0)
