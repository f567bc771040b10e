// SPDX-License-Identifier: Apache-2.0
// argv[1] threads take turns at one lock, hold it for argv[2] ns and leave it for argv[3] ns, two seconds
// long: much of what they wait is not the holding, but that a lock is free before its next holder has
// noticed. argv[4]: "robust" is what the lock is. Prints "waited NS", by the clock around the calls that
// found it taken, without what these cost when nobody else is there, and "contended COUNT", of these calls.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

enum { THREADS = 16, ALONE = 100000 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t end_ns, hold_ns, leave_ns;

struct sums {
    int64_t waited_ns, contended;
};

static void spend(int64_t ns)
{
    int64_t end = now_ns(CLOCK_MONOTONIC) + ns;
    while (ns && now_ns(CLOCK_MONOTONIC) < end)
        ;
}

static int64_t wait_for_it(void)
{
    int64_t from = now_ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&lock);
    return now_ns(CLOCK_MONOTONIC) - from;
}

static void take(struct sums *sums)
{
    if (!pthread_mutex_trylock(&lock))
        return;
    sums->waited_ns += wait_for_it();
    sums->contended++;
}

static void *take_turns(void *arg)
{
    struct sums *sums = arg;

    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        take(sums);
        spend(hold_ns);
        pthread_mutex_unlock(&lock);
        spend(leave_ns);
    }
    return NULL;
}

static void make_robust(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock, &attr);
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS];
    struct sums sums[THREADS] = {{0}}, all = {0};
    int64_t alone_ns = 0;
    int threads = argc >= 4 ? atoi(argv[1]) : 0;

    if (threads < 1 || threads > THREADS)
        return 2;
    hold_ns = atoll(argv[2]);
    leave_ns = atoll(argv[3]);
    if (argc == 5)
        make_robust();
    for (int i = 0; i < ALONE; i++) {
        alone_ns += wait_for_it();
        pthread_mutex_unlock(&lock);
    }
    end_ns = now_ns(CLOCK_MONOTONIC) + INT64_C(2000000000);
    for (int i = 0; i < threads; i++)
        pthread_create(&thread[i], NULL, take_turns, &sums[i]);
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        all.waited_ns += sums[i].waited_ns;
        all.contended += sums[i].contended;
    }
    printf("waited %" PRId64 "\ncontended %" PRId64 "\n", all.waited_ns - all.contended * alone_ns / ALONE,
           all.contended);
    return 0;
}
