// SPDX-License-Identifier: Apache-2.0
// For argv[1] s of CLOCK_MONOTONIC one thread sleeps, one sleeps where nobody interposes, one reads a clock
// in system calls and rests in turns. Somebody else stops them meanwhile. Prints the process's number and
// "lived NS".
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw_call.h"
#include "waits.h"

static int64_t until_ns;

static __attribute__((noinline)) void sleep_hooked(void)
{
    while (now_ns(CLOCK_MONOTONIC) < until_ns)
        rest(20000000000);
}

static __attribute__((noinline)) void sleep_bare(void)
{
    static const struct timespec time = {20, 0};

    while (now_ns(CLOCK_MONOTONIC) < until_ns)
        raw_call(SYS_nanosleep, (long)&time, 0, 0, 0);
}

static __attribute__((noinline)) void read_clocks(void)
{
    while (now_ns(CLOCK_MONOTONIC) < until_ns) {
        burn(2000000);
        rest(2000000);
    }
}

static void *run(void *function)
{
    ((void (*)(void))function)();
    return NULL;
}

int main(int argc, char **argv)
{
    static void (*const function[])(void) = {sleep_hooked, sleep_bare, read_clocks};
    int64_t from = now_ns(CLOCK_MONOTONIC);
    pthread_t thread[3];

    until_ns = from + (argc > 1 ? atoi(argv[1]) : 4) * INT64_C(1000000000);
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, run, (void *)function[i]);
    printf("%d\n", (int)getpid());
    fflush(stdout);
    pthread_join(thread[2], NULL);
    printf("lived %" PRId64 "\n", now_ns(CLOCK_MONOTONIC) - from);
    fflush(stdout);
    _exit(0);
}
