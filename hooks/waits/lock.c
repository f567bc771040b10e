/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes of pthread and C11, and spin locks. A mtx_t is a pthread_mutex_t to glibc. */
#include "locks.h"

unsigned mutex_is_odd;

/* Waits in vain for a mutex of our own, once in a process, and looks at its word. */
static void find_word(void)
{
    static const struct timespec past = {1, 0};
    static _Atomic bool was_tried;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* all zero to musl, too */
    const volatile int *word = &mutex.__data.__lock;
    int saved = errno;
    bool is_known;

    if (LIKELY(atomic_load_explicit(&was_tried, memory_order_relaxed)) ||
        atomic_exchange_explicit(&was_tried, true, memory_order_relaxed))
        return;
    /* Before glibc 2.34 a wait that is over reads the clock, which this process may have forbidden itself. */
    is_known = !atomic_load_explicit(&clock_is_banned, memory_order_relaxed);
    is_known = is_known && !*word && !real.pthread_mutex_lock(&mutex) && *word == 1;
    is_known = is_known && real.pthread_mutex_timedlock(&mutex, &past) == ETIMEDOUT && *word == 2;
    is_known = is_known && !real.pthread_mutex_unlock(&mutex) && !*word;
    if (!is_known)
        __atomic_store_n(&mutex_is_odd, 2, __ATOMIC_RELAXED);
    errno = saved;
}

/* Glibc marks robust mutexes as shared with other processes, too, which few of them are. */
static void mutex_waits(const struct contention *contention, const pthread_mutex_t *mutex)
{
    find_word();
    if (UNLIKELY(mutex_is_process_shared(mutex)) && mutex_owner(mutex))
        contention_owned_by(contention, mutex_owner(mutex));
}

/* ---- pthread */

#define MUTEX_TRY(mutex)               real.pthread_mutex_trylock(mutex)
#define MUTEX_IS_TAKEN(error)          ((error) == EBUSY)
#define MUTEX_HAS(error)               lock_owned(error)
#define MUTEX_WAITS(contention, mutex) mutex_waits(contention, mutex)
#define MUTEX_STRAIGHT(name)           name##_straight
#define MUTEX_BESIDE                   MUSL_BESIDE

LOCKING(MUTEX, pthread_mutex_lock, mutex, (pthread_mutex_t * mutex), (mutex), mutex_is_quiet(mutex))
LOCKING(MUTEX, pthread_mutex_timedlock, mutex, (pthread_mutex_t * mutex, const struct timespec *until),
        (mutex, until), mutex_is_quiet(mutex))
/* Of a clock that cannot be waited by, it complains also where it need not wait. */
LOCKING(MUTEX, pthread_mutex_clocklock, mutex,
        (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until), (mutex, clock, until),
        mutex_is_quiet(mutex) || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
UNLOCKING(pthread_mutex_unlock, mutex, (pthread_mutex_t * mutex), mutex_may_be_waited_for(mutex),
          mutex_is_to_be_charged(mutex), mutex_flags(mutex))

/* ---- C11 */

#define MTX_TRY(mutex)               real.mtx_trylock(mutex)
#define MTX_IS_TAKEN(error)          ((error) == thrd_busy)
#define MTX_HAS(error)               ((error) == thrd_success ? CONTENTION_OWNS : CONTENTION_FAILED)
#define MTX_WAITS(contention, mutex) mutex_waits(contention, (const pthread_mutex_t *)(mutex))
#define MTX_STRAIGHT(name)           name##_straight
#define MTX_BESIDE                   MUSL_BESIDE

LOCKING(MTX, mtx_lock, mutex, (mtx_t * mutex), (mutex), mutex_is_quiet((const pthread_mutex_t *)mutex))
LOCKING(MTX, mtx_timedlock, mutex, (mtx_t * mutex, const struct timespec *until), (mutex, until),
        mutex_is_quiet((const pthread_mutex_t *)mutex))
UNLOCKING(mtx_unlock, mutex, (mtx_t * mutex), mutex_may_be_waited_for((const pthread_mutex_t *)mutex),
          mutex_is_to_be_charged((const pthread_mutex_t *)mutex), mutex_flags((const pthread_mutex_t *)mutex))

/* ---- spin locks: who waits uses the CPU, so there is no wait to mark */

UNLOCKING(pthread_spin_unlock, lock, (pthread_spinlock_t * lock),
          contention_is_waited_for((const void *)lock), true, 0)

__attribute__((noinline)) static int spin_waiting(pthread_spinlock_t *lock)
{
    struct contention contention;
    int error;

    contention_begin(&contention, (const void *)lock);
    error = real.pthread_spin_lock(lock);
    contention_end(&contention, lock_owned(error));
    return error;
}

int pthread_spin_lock(pthread_spinlock_t *lock)
{
    int error;
    if (UNLIKELY(!wait_at_locks_is_wanted()))
        return real.pthread_spin_lock(lock);
    error = real.pthread_spin_trylock(lock);
    return UNLIKELY(error == EBUSY) ? spin_waiting(lock) : error;
}
