/* SPDX-License-Identifier: Apache-2.0 */
/* Where threads wait for one another: semaphores, barriers, joining a thread, initialization by the first
   one. */
#include "waits.h"

/* A semaphore with a value makes nobody wait. The real function is called all the same, since it is a
   cancellation point. */
static bool has_value(sem_t *semaphore)
{
    int value;
    return real.sem_getvalue(semaphore, &value) == 0 && value > 0;
}

__attribute__((noinline)) static int take_waiting(sem_t *semaphore)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_sem_wait);
    result = real.sem_wait(semaphore);
    wait_leave(&wait);
    return result;
}

int sem_wait(sem_t *semaphore)
{
    if (LIKELY(has_value(semaphore)))
        return real.sem_wait(semaphore);
    return take_waiting(semaphore);
}

WAITING(int, sem_timedwait, (sem_t * semaphore, const struct timespec *until), (semaphore, until))
WAITING(int, sem_clockwait, (sem_t * semaphore, clockid_t clock, const struct timespec *until),
        (semaphore, clock, until))
WAITING(int, semop, (int set, struct sembuf *operations, size_t count), (set, operations, count))
WAITING(int, semtimedop, (int set, struct sembuf *operations, size_t count, const struct timespec *timeout),
        (set, operations, count, timeout))
WAITING(int, pthread_barrier_wait, (pthread_barrier_t * barrier), (barrier))
WAITING_FOR(int, pthread_join, (uintptr_t)thread, (pthread_t thread, void **result), (thread, result))
WAITING_FOR(int, pthread_timedjoin_np, (uintptr_t)thread,
            (pthread_t thread, void **result, const struct timespec *until), (thread, result, until))
WAITING_FOR(int, pthread_clockjoin_np, (uintptr_t)thread,
            (pthread_t thread, void **result, clockid_t clock, const struct timespec *until),
            (thread, result, clock, until))
WAITING_FOR(int, thrd_join, (uintptr_t)thread, (thrd_t thread, int *value), (thread, value))

/* glibc's once: 0 at first, an odd number while a thread initializes, 2 from then on. Whoever finds it 0 runs
   the program's code and does not wait. */
static bool another_initializes(const int *once)
{
    return UNLIKELY(__atomic_load_n(once, __ATOMIC_RELAXED) & 1);
}

__attribute__((noinline)) static int once_waiting(pthread_once_t *once, void (*init)(void))
{
    struct wait wait;
    int error;

    wait_enter(&wait, WAIT_pthread_once);
    error = real.pthread_once(once, init);
    wait_leave(&wait);
    return error;
}

int pthread_once(pthread_once_t *once, void (*init)(void))
{
    return another_initializes(once) ? once_waiting(once, init) : real.pthread_once(once, init);
}

__attribute__((noinline)) static void call_waiting(once_flag *once, void (*init)(void))
{
    struct wait wait;
    wait_enter(&wait, WAIT_call_once);
    real.call_once(once, init);
    wait_leave(&wait);
}

void call_once(once_flag *once, void (*init)(void))
{
    if (another_initializes((const int *)once))
        call_waiting(once, init);
    else
        real.call_once(once, init);
}
