// SPDX-License-Identifier: Apache-2.0
// short_waits [SECONDS]: in two threads, waits of 0.3 ms in one function and of 1.2 ms in another, in turn.
// How long each waited, by its own clock, and how often.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

enum { THREADS = 2 };
static int64_t until, brief_ns[THREADS], longer_ns[THREADS], count[THREADS];

__attribute__((noinline)) static void wait_briefly(int64_t *sum)
{
    int64_t start = now_ns(CLOCK_MONOTONIC);
    rest(300000);
    *sum += now_ns(CLOCK_MONOTONIC) - start;
}

__attribute__((noinline)) static void wait_longer(int64_t *sum)
{
    int64_t start = now_ns(CLOCK_MONOTONIC);
    rest(1200000);
    *sum += now_ns(CLOCK_MONOTONIC) - start;
}

static void *run(void *number)
{
    intptr_t i = (intptr_t)number;
    for (; now_ns(CLOCK_MONOTONIC) < until; count[i]++) {
        wait_briefly(&brief_ns[i]);
        wait_longer(&longer_ns[i]);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS];
    until = now_ns(CLOCK_MONOTONIC) + (argc > 1 ? atoi(argv[1]) : 3) * INT64_C(1000000000);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, run, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    printf("brief %lld\nlonger %lld\ncount %lld\n", (long long)(brief_ns[0] + brief_ns[1]),
           (long long)(longer_ns[0] + longer_ns[1]), (long long)(count[0] + count[1]));
    return 0;
}
