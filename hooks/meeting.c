/* SPDX-License-Identifier: Apache-2.0 */
/* What threads meet at: semaphores, barriers, the end of another thread, the first to initialize. */
#include "../sampler/wait.h"
#include "hooks.h"

/* One that is there to be taken makes nobody wait. The real function is called in any case: it is a
 * cancellation point even then. */
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

int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_sem_timedwait);
    result = real.sem_timedwait(semaphore, until);
    wait_leave(&wait);
    return result;
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_sem_clockwait);
    result = real.sem_clockwait(semaphore, clock, until);
    wait_leave(&wait);
    return result;
}

int semop(int set, struct sembuf *operations, size_t count)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_semop);
    result = real.semop(set, operations, count);
    wait_leave(&wait);
    return result;
}

int semtimedop(int set, struct sembuf *operations, size_t count, const struct timespec *timeout)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_semtimedop);
    result = real.semtimedop(set, operations, count, timeout);
    wait_leave(&wait);
    return result;
}

int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    struct wait wait;
    int error;

    wait_enter(&wait, WAIT_pthread_barrier_wait);
    error = real.pthread_barrier_wait(barrier);
    wait_leave(&wait);
    return error;
}

int pthread_join(pthread_t thread, void **result)
{
    struct wait wait;
    int error;

    wait_enter_for(&wait, WAIT_pthread_join, (uintptr_t)thread, 0);
    error = real.pthread_join(thread, result);
    wait_leave(&wait);
    return error;
}

int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until)
{
    struct wait wait;
    int error;

    wait_enter_for(&wait, WAIT_pthread_timedjoin_np, (uintptr_t)thread, 0);
    error = real.pthread_timedjoin_np(thread, result, until);
    wait_leave(&wait);
    return error;
}

int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock, const struct timespec *until)
{
    struct wait wait;
    int error;

    wait_enter_for(&wait, WAIT_pthread_clockjoin_np, (uintptr_t)thread, 0);
    error = real.pthread_clockjoin_np(thread, result, clock, until);
    wait_leave(&wait);
    return error;
}

int thrd_join(thrd_t thread, int *value)
{
    struct wait wait;
    int result;

    wait_enter_for(&wait, WAIT_thrd_join, (uintptr_t)thread, 0);
    result = real.thrd_join(thread, value);
    wait_leave(&wait);
    return result;
}

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
