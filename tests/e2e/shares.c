// SPDX-License-Identifier: Apache-2.0
// Burns CPU time in three functions, 70, 20 and 10 parts, in THREADS threads for SECONDS each, and prints
// what each got: "work_70 NS", from the thread's own CPU clock. Arguments: seconds [threads [pause]]; pause:
// wait to be killed.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t spent[3];
static double seconds;
static volatile uint64_t sink;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#define WORK(name)                                                                                           \
    __attribute__((noinline)) void name(unsigned parts)                                                      \
    {                                                                                                        \
        uint64_t x = parts;                                                                                  \
        for (unsigned i = 0; i < parts * 40000; i++)                                                         \
            x = x * 6364136223846793005u + 1;                                                                \
        sink = x;                                                                                            \
    }
WORK(work_70)
WORK(work_20)
WORK(work_10)

static void charge(int to, uint64_t *since)
{
    uint64_t t = now();
    spent[to] += t - *since;
    *since = t;
}

static void *burn(void *arg)
{
    uint64_t start = now(), since = start;
    do {
        work_70(70);
        charge(0, &since);
        work_20(20);
        charge(1, &since);
        work_10(10);
        charge(2, &since);
    } while ((double)(since - start) < seconds * 1e9);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t thread[64];
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    seconds = argc > 1 ? atof(argv[1]) : 1;
    for (int i = 1; i < threads; i++)
        pthread_create(&thread[i], NULL, burn, NULL);
    burn(NULL);
    for (int i = 1; i < threads; i++)
        pthread_join(thread[i], NULL);
    printf("work_70 %llu\nwork_20 %llu\nwork_10 %llu\n", (unsigned long long)spent[0],
           (unsigned long long)spent[1], (unsigned long long)spent[2]);
    fflush(stdout);
    if (argc > 3)
        pause();
    return 0;
}
