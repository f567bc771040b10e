// SPDX-License-Identifier: Apache-2.0
// Every kind of mutex and read-write lock says what it says without us: taken, taken by us, owner died, out
// of time.
#include "expect.h"
#include <errno.h>
#include <pthread.h>
#include <threads.h>

static struct timespec soon(clockid_t clock, long ms)
{
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_nsec += ms * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static pthread_mutex_t make(int type, int robust, int protocol)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t mutex;
    pthread_mutexattr_init(&attr);
    EXPECT(!pthread_mutexattr_settype(&attr, type));
    EXPECT(!pthread_mutexattr_setrobust(&attr, robust));
    EXPECT(!pthread_mutexattr_setprotocol(&attr, protocol));
    EXPECT(!pthread_mutex_init(&mutex, &attr));
    return mutex;
}

/* What another thread meets at a mutex that is locked. */
static void *meets_taken(void *arg)
{
    pthread_mutex_t *mutex = arg;
    struct timespec wrong = {0, -1}, real = soon(CLOCK_REALTIME, 20), mono = soon(CLOCK_MONOTONIC, 20);
    EXPECT(pthread_mutex_trylock(mutex) == EBUSY);
    EXPECT(pthread_mutex_timedlock(mutex, &real) == ETIMEDOUT);
    EXPECT(pthread_mutex_timedlock(mutex, &wrong) == EINVAL);
    if (pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &mono) != ETIMEDOUT) /* EINVAL: not for PI mutexes */
        EXPECT(pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &mono) == EINVAL);
    return NULL;
}

static void in_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    EXPECT(!pthread_create(&thread, NULL, run, arg));
    EXPECT(!pthread_join(thread, NULL));
}

static void taken(int type, int protocol)
{
    pthread_mutex_t mutex = make(type, PTHREAD_MUTEX_STALLED, protocol);
    struct timespec wrong = {0, -1};
    EXPECT(!pthread_mutex_lock(&mutex));
    in_thread(meets_taken, &mutex);
    EXPECT(!pthread_mutex_unlock(&mutex));
    EXPECT(!pthread_mutex_timedlock(&mutex, &wrong)); /* free: nobody looks at the time */
    EXPECT(!pthread_mutex_unlock(&mutex));
    EXPECT(pthread_mutex_clocklock(&mutex, CLOCK_THREAD_CPUTIME_ID, &wrong) == EINVAL);
    EXPECT(!pthread_mutex_destroy(&mutex));
}

static void by_us(void)
{
    pthread_mutex_t checking = make(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    pthread_mutex_t recursive = make(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    EXPECT(pthread_mutex_unlock(&checking) == EPERM);
    EXPECT(!pthread_mutex_lock(&checking));
    EXPECT(pthread_mutex_lock(&checking) == EDEADLK);
    EXPECT(!pthread_mutex_unlock(&checking));
    for (int i = 0; i < 3; i++)
        EXPECT(!pthread_mutex_lock(&recursive));
    in_thread(meets_taken, &recursive);
    for (int i = 0; i < 3; i++)
        EXPECT(!pthread_mutex_unlock(&recursive));
    EXPECT(pthread_mutex_unlock(&recursive) == EPERM);
}

static void *die_with(void *mutex)
{
    pthread_mutex_lock(mutex);
    return NULL;
}

static void owner_died(int protocol)
{
    pthread_mutex_t mutex = make(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, protocol);
    in_thread(die_with, &mutex);
    EXPECT(pthread_mutex_lock(&mutex) == EOWNERDEAD);
    EXPECT(!pthread_mutex_consistent(&mutex));
    EXPECT(!pthread_mutex_unlock(&mutex));
    in_thread(die_with, &mutex);
    EXPECT(pthread_mutex_lock(&mutex) == EOWNERDEAD);
    EXPECT(!pthread_mutex_unlock(&mutex));
    EXPECT(pthread_mutex_lock(&mutex) == ENOTRECOVERABLE);
}

static void *meets_writer(void *arg)
{
    pthread_rwlock_t *lock = arg;
    struct timespec real = soon(CLOCK_REALTIME, 20), mono = soon(CLOCK_MONOTONIC, 20);
    EXPECT(pthread_rwlock_tryrdlock(lock) == EBUSY);
    EXPECT(pthread_rwlock_trywrlock(lock) == EBUSY);
    EXPECT(pthread_rwlock_timedrdlock(lock, &real) == ETIMEDOUT);
    EXPECT(pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
    return NULL;
}

static void read_write(void)
{
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    struct timespec wrong = {0, -1}, time = soon(CLOCK_REALTIME, 20);
    EXPECT(!pthread_rwlock_wrlock(&lock));
    EXPECT(pthread_rwlock_rdlock(&lock) == EDEADLK);
    EXPECT(pthread_rwlock_wrlock(&lock) == EDEADLK);
    in_thread(meets_writer, &lock);
    EXPECT(!pthread_rwlock_unlock(&lock));
    EXPECT(pthread_rwlock_timedrdlock(&lock, &wrong) == EINVAL);
    EXPECT(pthread_rwlock_clockwrlock(&lock, CLOCK_THREAD_CPUTIME_ID, &time) == EINVAL);
    EXPECT(!pthread_rwlock_rdlock(&lock));
    EXPECT(!pthread_rwlock_timedrdlock(&lock, &time));
    EXPECT(pthread_rwlock_timedwrlock(&lock, &time) == ETIMEDOUT);
    EXPECT(!pthread_rwlock_unlock(&lock));
    EXPECT(!pthread_rwlock_unlock(&lock));
}

static void c11(void)
{
    mtx_t plain, recursive;
    EXPECT(mtx_init(&plain, mtx_timed) == thrd_success);
    EXPECT(mtx_init(&recursive, mtx_plain | mtx_recursive) == thrd_success);
    struct timespec time = soon(CLOCK_REALTIME, 20);
    EXPECT(mtx_lock(&plain) == thrd_success);
    EXPECT(mtx_trylock(&plain) == thrd_busy);
    EXPECT(mtx_timedlock(&plain, &time) == thrd_timedout);
    EXPECT(mtx_unlock(&plain) == thrd_success);
    EXPECT(mtx_lock(&recursive) == thrd_success && mtx_lock(&recursive) == thrd_success);
    EXPECT(mtx_unlock(&recursive) == thrd_success && mtx_unlock(&recursive) == thrd_success);
}

/* Nobody is ever inside with another one. */
static pthread_mutex_t shared;
static pthread_spinlock_t spin;
static long counted;
static void *count(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20000; i++) {
        EXPECT(!pthread_mutex_lock(&shared));
        counted++;
        EXPECT(!pthread_mutex_unlock(&shared));
        EXPECT(!pthread_spin_lock(&spin));
        counted++;
        EXPECT(!pthread_spin_unlock(&spin));
    }
    return NULL;
}

static void exclude(int type, int protocol)
{
    pthread_t thread[4];
    shared = make(type, PTHREAD_MUTEX_STALLED, protocol);
    pthread_spin_init(&spin, 0);
    for (int i = 0; i < 4; i++)
        EXPECT(!pthread_create(&thread[i], NULL, count, NULL));
    for (int i = 0; i < 4; i++)
        EXPECT(!pthread_join(thread[i], NULL));
}

int main(void)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_RECURSIVE};
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
        taken(types[i], PTHREAD_PRIO_NONE);
        taken(types[i], PTHREAD_PRIO_INHERIT);
        exclude(types[i], PTHREAD_PRIO_NONE);
    }
    by_us();
    owner_died(PTHREAD_PRIO_NONE);
    owner_died(PTHREAD_PRIO_INHERIT);
    read_write();
    c11();
    return 0;
}
