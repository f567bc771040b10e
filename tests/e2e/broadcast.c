// SPDX-License-Identifier: Apache-2.0
// Twenty threads wait for a condition that is broadcast while nobody has the mutex; each keeps it for a
// millisecond when it is woken, ten times: the others wait for it inside pthread_cond_wait(). Prints
// "waited NS" for all of them together, from the first one's return on.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "waits.h"

enum { WAITERS = 20, TIMES = 10 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn, asleep;
static int64_t first, waited;

__attribute__((noinline)) static void keep_it(void)
{
    int64_t now = now_ns(CLOCK_MONOTONIC);
    if (!first)
        first = now;
    waited += now - first;
    rest(1000000);
}

static void *wait_for_turns(void *arg)
{
    pthread_mutex_lock(&mutex);
    for (int seen = 0; seen < TIMES; seen++) {
        asleep++;
        while (turn == seen)
            pthread_cond_wait(&turned, &mutex);
        keep_it();
    }
    pthread_mutex_unlock(&mutex);
    return arg;
}

static int turn_if_all_sleep(void)
{
    int all;
    pthread_mutex_lock(&mutex);
    all = asleep == WAITERS;
    if (all) {
        asleep = 0;
        first = 0;
        turn++;
    }
    pthread_mutex_unlock(&mutex);
    return all;
}

int main(void)
{
    pthread_t thread[WAITERS];

    for (int i = 0; i < WAITERS; i++)
        pthread_create(&thread[i], NULL, wait_for_turns, NULL);
    for (int i = 0; i < TIMES; i++) {
        while (!turn_if_all_sleep())
            rest(50000000);
        pthread_cond_broadcast(&turned);
        rest(50000000);
    }
    for (int i = 0; i < WAITERS; i++)
        pthread_join(thread[i], NULL);
    printf("waited %" PRId64 "\n", waited);
    return 0;
}
