// SPDX-License-Identifier: Apache-2.0
// Three paths share a lock and hold it 70, 20 and 10 % of the time; four threads take them in turns, so that
// three of them always wait. argv[1]: seconds; argv[2]: microseconds of the three together; argv[3]: "spin"
// holds on the CPU, "rest" asleep; argv[4]: so many threads; built with OWN_LOCK the lock is not libc's.
// Prints "waited NS", what the threads waited by their own clocks, and "path_70 NS" etc., how much of it
// passed while the lock was held there.
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "waits.h"

enum { THREADS = 400, PATHS = 3 };
static int thread_count = 4;
#ifdef OWN_LOCK
#include "own_lock.h"
static struct own_lock lock;
#define pthread_mutex_lock   own_lock
#define pthread_mutex_unlock own_unlock
#else
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
#endif
static pthread_barrier_t start;
static int64_t end_ns, round_ns, held_since, charged[PATHS];
static bool spins;
static struct self {
    _Alignas(64) _Atomic int64_t waits_since; /* 0: it does not */
    int64_t waited;
} threads[THREADS];

static void take(struct self *self)
{
    int64_t from = now_ns(CLOCK_MONOTONIC);
    self->waits_since = from;
    pthread_mutex_lock(&lock);
    held_since = now_ns(CLOCK_MONOTONIC);
    self->waits_since = 0;
    self->waited += held_since - from;
}

/* What the others have waited since we have the lock. */
static void charge(int path)
{
    int64_t now = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < thread_count; i++) {
        int64_t since = threads[i].waits_since;
        if (since && since < now)
            charged[path] += now - (since > held_since ? since : held_since);
    }
}

static void hold(int64_t ns)
{
    int64_t end = now_ns(CLOCK_MONOTONIC) + ns;
    if (!spins)
        rest(ns);
    while (now_ns(CLOCK_MONOTONIC) < end)
        ;
}

#define PATH(name, index, percent)                                                                           \
    __attribute__((noinline)) static void name(struct self *self)                                            \
    {                                                                                                        \
        take(self);                                                                                          \
        hold(round_ns *(percent) / 100);                                                                     \
        charge(index);                                                                                       \
        pthread_mutex_unlock(&lock);                                                                         \
        __asm__ volatile("");                                                                                \
    }
PATH(path_70, 0, 70)
PATH(path_20, 1, 20)
PATH(path_10, 2, 10)

static void *work(void *arg)
{
    static void (*const paths[PATHS])(struct self *) = {path_70, path_20, path_10};

    pthread_barrier_wait(&start);
    for (unsigned turn = 0; now_ns(CLOCK_MONOTONIC) < end_ns; turn++) {
        paths[turn % PATHS](arg);
        if (!spins)
            rest(10000); /* lets the one that was woken have it */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int64_t sum = 0;
    pthread_t thread[THREADS];

    if (argc > 4)
        thread_count = atoi(argv[4]);
    if (argc < 4 || thread_count < 1 || thread_count > THREADS)
        return 2;
    round_ns = atoll(argv[2]) * 1000;
    spins = !strcmp(argv[3], "spin");
    pthread_barrier_init(&start, NULL, (unsigned)thread_count);
    end_ns = now_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argv[1]) * 1e9);
    for (int i = 0; i < thread_count; i++)
        pthread_create(&thread[i], NULL, work, &threads[i]);
    for (int i = 0; i < thread_count; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < thread_count; i++)
        sum += threads[i].waited;
    printf("waited %" PRId64 "\npath_70 %" PRId64 "\npath_20 %" PRId64 "\npath_10 %" PRId64 "\n", sum,
           charged[0], charged[1], charged[2]);
    return 0;
}
