// SPDX-License-Identifier: Apache-2.0
// A thread waits for a condition, and is woken while hold() has the mutex, 20 times: argv[1] "timeout": its
// time is over after 10 ms; "signal": somebody signals who does not have the mutex. hold() keeps it 40 ms
// longer. Prints "waited NS", from then on until it has the mutex.
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "waits.h"

enum { TIMES = 20, WAIT_NS = 10000000, HOLD_NS = 50000000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static atomic_int waiting;
static _Atomic int64_t woken;

static int64_t wait_for_it(int times_out)
{
    int64_t until = now_ns(CLOCK_REALTIME) + WAIT_NS, now;
    struct timespec time = {until / 1000000000, until % 1000000000};

    pthread_mutex_lock(&mutex);
    waiting = 1;
    if (times_out)
        while (pthread_cond_timedwait(&never, &mutex, &time) != ETIMEDOUT)
            ;
    else
        pthread_cond_wait(&never, &mutex);
    waiting = 0;
    now = times_out ? now_ns(CLOCK_REALTIME) - until : now_ns(CLOCK_MONOTONIC) - woken;
    pthread_mutex_unlock(&mutex);
    return now;
}

__attribute__((noinline)) static void hold(void)
{
    pthread_mutex_lock(&mutex);
    rest(HOLD_NS);
    pthread_mutex_unlock(&mutex);
}

static void *holder(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        while (!waiting)
            rest(1000000);
        hold();
        while (waiting)
            rest(1000000);
    }
    return arg;
}

/* In the middle of a holding. */
static void *signaller(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        while (!waiting)
            rest(1000000);
        rest(WAIT_NS);
        woken = now_ns(CLOCK_MONOTONIC);
        pthread_cond_signal(&never);
        while (waiting)
            rest(1000000);
    }
    return arg;
}

int main(int argc, char **argv)
{
    int times_out = argc > 1 && !strcmp(argv[1], "timeout");
    pthread_t thread[2];
    int64_t waited = 0;

    pthread_create(&thread[0], NULL, holder, NULL);
    if (!times_out)
        pthread_create(&thread[1], NULL, signaller, NULL);
    for (int i = 0; i < TIMES; i++) {
        waited += wait_for_it(times_out);
        rest(5000000);
    }
    pthread_join(thread[0], NULL);
    if (!times_out)
        pthread_join(thread[1], NULL);
    printf("waited %" PRId64 "\n", waited);
    return 0;
}
