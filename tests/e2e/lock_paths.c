// SPDX-License-Identifier: Apache-2.0
// Three paths share a lock and hold it 70, 20 and 10 % of the time; four threads take them in turns, so that
// three of them always wait. Prints "waited NS", the sum of what the threads measured. argv[1]: seconds.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

enum { THREADS = 4 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t start;
static int64_t end_ns;

static int64_t take(void)
{
    int64_t from = now_ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&lock);
    return now_ns(CLOCK_MONOTONIC) - from;
}

#define PATH(name, hold_ns)                                                                                  \
    __attribute__((noinline)) static int64_t name(void)                                                      \
    {                                                                                                        \
        int64_t waited = take();                                                                             \
        rest(hold_ns);                                                                                       \
        pthread_mutex_unlock(&lock);                                                                         \
        return waited;                                                                                       \
    }
PATH(path_70, 7000000)
PATH(path_20, 2000000)
PATH(path_10, 1000000)

static void *work(void *arg)
{
    int64_t *waited = arg;
    int turn = 0;

    pthread_barrier_wait(&start);
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        *waited += turn == 0 ? path_70() : turn == 1 ? path_20() : path_10();
        turn = (turn + 1) % 3;
        rest(10000); /* lets the one that was woken have it */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int64_t waited[THREADS] = {0}, sum = 0;
    pthread_t thread[THREADS];

    pthread_barrier_init(&start, NULL, THREADS);
    end_ns = now_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argc > 1 ? argv[1] : "3") * 1e9);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, &waited[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++)
        sum += waited[i];
    printf("waited %" PRId64 "\n", sum);
    return 0;
}
