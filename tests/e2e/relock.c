// SPDX-License-Identifier: Apache-2.0
// Ten threads wait for a condition; hold() wakes them all and keeps the mutex for 100 ms, five times: they
// wait for it inside pthread_cond_wait(). Prints "waited NS" for all of them together, from the signal to the
// release.
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "waits.h"

enum { WAITERS = 10, TIMES = 5 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn, asleep;

static void *wait_for_turns(void *arg)
{
    pthread_mutex_lock(&mutex);
    for (int seen = 0; seen < TIMES; seen++) {
        asleep++;
        while (turn == seen)
            pthread_cond_wait(&turned, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    return arg;
}

__attribute__((noinline)) static int64_t hold(void)
{
    int64_t from;

    pthread_mutex_lock(&mutex);
    asleep = 0;
    turn++;
    from = now_ns(CLOCK_MONOTONIC);
    pthread_cond_broadcast(&turned);
    rest(100000000);
    from = now_ns(CLOCK_MONOTONIC) - from;
    pthread_mutex_unlock(&mutex);
    return from * WAITERS;
}

static int all_sleep(void)
{
    int all;
    pthread_mutex_lock(&mutex);
    all = asleep == WAITERS;
    pthread_mutex_unlock(&mutex);
    return all;
}

int main(void)
{
    pthread_t thread[WAITERS];
    int64_t waited = 0;

    for (int i = 0; i < WAITERS; i++)
        pthread_create(&thread[i], NULL, wait_for_turns, NULL);
    for (int i = 0; i < TIMES; i++) {
        while (!all_sleep())
            rest(1000000);
        waited += hold();
    }
    for (int i = 0; i < WAITERS; i++)
        pthread_join(thread[i], NULL);
    printf("waited %" PRId64 "\n", waited);
    return 0;
}
