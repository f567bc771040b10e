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

static _Atomic uint64_t spent;
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
        for (unsigned i = 0; i < parts * 250; i++)                                                           \
            x = x * 6364136223846793005u + 1;                                                                \
        sink = x;                                                                                            \
    }
WORK(work_70)
WORK(work_20)
WORK(work_10)

/* Rounds of many lengths, 25 us to 1.5 ms: one length could keep step with the kernel's tick. */
static void *burn(void *arg)
{
    uint64_t start = now(), end = start + (uint64_t)(seconds * 1e9);
    uint32_t seed = (uint32_t)(uintptr_t)&start;
    while (now() < end) {
        for (int i = 0; i < 4; i++) {
            unsigned scale = 1 + (seed >> 8) % 64;
            seed = seed * 1664525 + 1013904223;
            work_70(7 * scale);
            work_20(2 * scale);
            work_10(1 * scale);
        }
    }
    spent += now() - start;
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
    printf("work_70 %.0f\nwork_20 %.0f\nwork_10 %.0f\n", 0.7 * (double)spent, 0.2 * (double)spent,
           0.1 * (double)spent);
    fflush(stdout);
    if (argc > 3)
        pause();
    return 0;
}
