// SPDX-License-Identifier: Apache-2.0
// Known contention. contention three | holder | readers | queue, and prints "path seconds" of what others
// waited, as the program itself sees it. deadlock and asleep only stand there, for the thread dump, until
// they are killed.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, PATHS = 3, RUN_MS = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static _Atomic int stop;
static int queued;
static struct {
    _Alignas(64) _Atomic uint64_t since;
} waiting[THREADS];
static uint64_t held_since, charged[PATHS];
static _Atomic uint64_t waited_in_all;
static __thread int me;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void spin(uint64_t us)
{
    for (uint64_t end = now() + us * 1000; now() < end;)
        ;
}

static void lock(void)
{
    uint64_t start = now();
    waiting[me].since = start;
    pthread_mutex_lock(&mutex);
    held_since = now();
    waiting[me].since = 0;
    waited_in_all += held_since - start;
}

/* Before the unlock: what each of the others waited since we have it. */
static void charge(int path)
{
    uint64_t end = now();
    for (int i = 0; i < THREADS; i++) {
        uint64_t since = waiting[i].since;
        if (since && since < end)
            charged[path] += end - (since > held_since ? since : held_since);
    }
}

#define PATH(name, index, us)                                                                                \
    __attribute__((noinline)) void name(void)                                                                \
    {                                                                                                        \
        lock();                                                                                              \
        spin(us);                                                                                            \
        charge(index);                                                                                       \
        pthread_mutex_unlock(&mutex);                                                                        \
        __asm__ volatile("");                                                                                \
    }
PATH(path_70, 0, 350)
PATH(path_20, 1, 100)
PATH(path_10, 2, 50)

static void *three(void *id)
{
    me = (int)(intptr_t)id;
    while (!stop) {
        path_70();
        path_20();
        path_10();
    }
    return NULL;
}

/* Thread 0 only holds, without being waited for itself; the others only pass through. */
PATH(path_holder, 0, 2000)
PATH(path_passing, 1, 0)
static void *holder(void *id)
{
    me = (int)(intptr_t)id;
    while (!stop) {
        if (me) {
            path_passing();
            usleep(500);
        } else {
            path_holder();
            usleep(1000);
        }
    }
    return NULL;
}

__attribute__((noinline)) void path_writer(void)
{
    pthread_rwlock_wrlock(&rwlock);
    spin(2000);
    pthread_rwlock_unlock(&rwlock);
    __asm__ volatile("");
}
__attribute__((noinline)) void path_reader(void)
{
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
    __asm__ volatile("");
}
static void *readers(void *id)
{
    while (!stop) {
        id ? path_reader() : path_writer();
        usleep(1000);
    }
    return NULL;
}

/* One serves, for 1 ms each, what comes every 10 ms: it waits for nine tenths of the time. */
__attribute__((noinline)) void path_queue(void)
{
    pthread_mutex_lock(&mutex);
    while (!queued && !stop) {
        uint64_t start = now();
        pthread_cond_wait(&filled, &mutex);
        charged[0] += now() - start;
    }
    queued = 0;
    pthread_mutex_unlock(&mutex);
    spin(1000);
}
static void *queue(void *id)
{
    while (!stop) {
        if (!id) {
            path_queue();
            continue;
        }
        if (id != (void *)1)
            return NULL;
        usleep(10000);
        pthread_mutex_lock(&mutex);
        queued = 1;
        pthread_cond_signal(&filled);
        pthread_mutex_unlock(&mutex);
    }
    pthread_cond_signal(&filled);
    return NULL;
}

static void *deadlock(void *id)
{
    pthread_mutex_lock(id ? &mutex : &other);
    usleep(100000);
    pthread_mutex_lock(id ? &other : &mutex);
    return NULL;
}

#define PLACE(n)                                                                                             \
    __attribute__((noinline)) void place_##n(void)                                                           \
    {                                                                                                        \
        sleep(1000);                                                                                         \
        __asm__ volatile("");                                                                                \
    }
PLACE(0)
PLACE(1) PLACE(2) PLACE(3) PLACE(4) PLACE(5) PLACE(6) PLACE(7) PLACE(8) PLACE(9) static void *asleep(void *id)
{
    static void (*const places[])(void) = {place_0, place_1, place_2, place_3, place_4,
                                           place_5, place_6, place_7, place_8, place_9};
    places[(intptr_t)id % 10]();
    return NULL;
}

static const struct {
    const char *name;
    void *(*run)(void *);
    int threads, stands;
    const char *paths[PATHS];
} works[] = {
    {"three", three, THREADS, 0, {"path_70", "path_20", "path_10"}},
    {"holder", holder, THREADS, 0, {"path_holder", "path_passing", NULL}},
    {"readers", readers, THREADS, 0, {NULL}},
    {"queue", queue, THREADS, 0, {"path_queue", NULL}},
    {"deadlock", deadlock, 2, 1, {NULL}},
    {"asleep", asleep, 200, 1, {NULL}},
};

int main(int argc, char **argv)
{
    static pthread_t thread[200];
    for (unsigned w = 0; argc == 2 && w < sizeof works / sizeof works[0]; w++) {
        if (strcmp(works[w].name, argv[1]) != 0)
            continue;
        for (intptr_t i = 0; i < works[w].threads; i++)
            pthread_create(&thread[i], NULL, works[w].run, (void *)i);
        usleep(works[w].stands ? 1000000000 : RUN_MS * 1000);
        stop = 1;
        for (int i = 0; i < works[w].threads; i++)
            pthread_join(thread[i], NULL);
        for (int i = 0; i < PATHS && works[w].paths[i]; i++)
            printf("%s %.6f\n", works[w].paths[i], (double)charged[i] / 1e9);
        printf("waited %.6f\n", (double)waited_in_all / 1e9);
        return 0;
    }
    return 2;
}
