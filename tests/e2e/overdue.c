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
static atomic_int waiting, held, signalled; /* so many times */
static _Atomic int64_t woken;

static void await(atomic_int *count, int times)
{
    while (*count < times)
        rest(500000);
}

static int64_t wait_for_it(int times_out)
{
    int64_t until, now;
    struct timespec time;

    pthread_mutex_lock(&mutex);
    until = now_ns(CLOCK_REALTIME) + WAIT_NS;
    time = (struct timespec){until / 1000000000, until % 1000000000};
    waiting++;
    if (times_out)
        while (pthread_cond_timedwait(&never, &mutex, &time) != ETIMEDOUT)
            ;
    else
        pthread_cond_wait(&never, &mutex);
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
    for (int i = 1; i <= TIMES; i++) {
        await(&waiting, i);
        hold();
        held++;
    }
    return arg;
}

/* In the middle of a holding. */
static void *signaller(void *arg)
{
    for (int i = 1; i <= TIMES; i++) {
        await(&waiting, i);
        rest(WAIT_NS);
        woken = now_ns(CLOCK_MONOTONIC);
        pthread_cond_signal(&never);
        signalled++;
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
    for (int i = 1; i <= TIMES; i++) {
        waited += wait_for_it(times_out);
        await(&held, i);
        if (!times_out)
            await(&signalled, i);
    }
    pthread_join(thread[0], NULL);
    if (!times_out)
        pthread_join(thread[1], NULL);
    printf("waited %" PRId64 "\n", waited);
    return 0;
}
