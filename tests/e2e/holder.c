// SPDX-License-Identifier: Apache-2.0
// One thread holds a lock most of the time and never waits for it; another waits for it again and again.
// Prints "waited NS". argv[1]: seconds; argv[2]: microseconds that it is held while the other waits.
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int held, asked, over;
static int64_t hold_ns = 10000000;

__attribute__((noinline)) static void hold(void)
{
    pthread_mutex_lock(&lock); /* free, but for the moment that the other one has it */
    held = 1;
    while (!asked && !over)
        rest(100000);
    rest(hold_ns);
    held = 0;
    pthread_mutex_unlock(&lock);
}

__attribute__((noinline)) static int64_t wait_for_it(void)
{
    int64_t from = now_ns(CLOCK_MONOTONIC), waited;

    asked = 1;
    pthread_mutex_lock(&lock);
    waited = now_ns(CLOCK_MONOTONIC) - from;
    asked = 0; /* not before: the holder may be quicker than we to take it again */
    pthread_mutex_unlock(&lock);
    return waited;
}

static void *holder(void *arg)
{
    while (!over) {
        hold();
        rest(1000000); /* for the other one to have been and gone */
    }
    return arg;
}

int main(int argc, char **argv)
{
    int64_t end_ns = now_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argc > 1 ? argv[1] : "2") * 1e9), waited = 0;
    pthread_t thread;

    if (argc > 2)
        hold_ns = atoll(argv[2]) * 1000;
    pthread_create(&thread, NULL, holder, NULL);
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        while (!held)
            rest(50000);
        waited += wait_for_it();
    }
    over = 1;
    pthread_join(thread, NULL);
    printf("waited %" PRId64 "\n", waited);
    return 0;
}
