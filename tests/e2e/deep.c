// SPDX-License-Identifier: Apache-2.0
/*
 * deep DEPTH ROUNDS: two callers of one recursion, of DEPTH frames and some more each round. In each round
 * call_one() uses 100 ms of CPU time at the end of it, and call_two() 200 ms, allocates blocks and waits.
 * Prints for both the time on the CPU and the time waited, in ms.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile unsigned sink;
static unsigned depth, rounds;
static void *volatile kept;

static double waited_ms;

static double now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

__attribute__((noinline)) static void work(unsigned ms)
{
    double end = now_ms(CLOCK_THREAD_CPUTIME_ID) + ms;
    while (now_ms(CLOCK_THREAD_CPUTIME_ID) < end) {
        for (unsigned i = 0; i < 10000; i++)
            sink += i;
        for (unsigned i = 0; i < 50; i++) {
            kept = malloc(100);
            free(kept);
        }
    }
    waited_ms -= now_ms(CLOCK_MONOTONIC);
    nanosleep(&(struct timespec){0, (long)ms * 1000000}, NULL);
    waited_ms += now_ms(CLOCK_MONOTONIC);
}

__attribute__((noinline)) static void recurse(unsigned left, unsigned ms)
{
    if (left > 0)
        recurse(left - 1, ms);
    else
        work(ms);
    sink++;
}

__attribute__((noinline)) static double call_one(unsigned more)
{
    double start = now_ms(CLOCK_THREAD_CPUTIME_ID);
    recurse(depth + more, 100);
    return now_ms(CLOCK_THREAD_CPUTIME_ID) - start;
}

__attribute__((noinline)) static double call_two(unsigned more)
{
    double start = now_ms(CLOCK_THREAD_CPUTIME_ID);
    recurse(depth + more, 200);
    return now_ms(CLOCK_THREAD_CPUTIME_ID) - start;
}

static void *run(void *unused)
{
    double one = 0, two = 0, waited_one = 0;
    for (unsigned i = 0; i < rounds; i++) {
        double before = waited_ms;
        one += call_one(37 * i);
        waited_one += waited_ms - before;
        two += call_two(41 * i);
    }
    printf("call_one %.0f %.0f\ncall_two %.0f %.0f\n", one, waited_one, two, waited_ms - waited_one);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_attr_t attributes;
    pthread_t thread;

    depth = argc > 1 ? (unsigned)atoi(argv[1]) : 3000;
    rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 4;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 20);
    if (pthread_create(&thread, &attributes, run, NULL))
        return 1;
    pthread_join(thread, NULL);
    return 0;
}
