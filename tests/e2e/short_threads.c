// SPDX-License-Identifier: Apache-2.0
// One thread after the other, each of which runs for argv[1] us on average, at random, lest they are in step
// with the kernel's ticks: three quarters in early(), the rest in late(); argv[2] seconds long. Another one
// runs all the time. Prints "short NS", the CPU time of the short ones.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

static int64_t average_ns, each_ns, short_ns, end_ns;

__attribute__((noinline)) static void early(void)
{
    burn(each_ns * 3 / 4);
    __asm__ volatile("");
}

__attribute__((noinline)) static void late(void)
{
    burn(each_ns / 4);
    __asm__ volatile("");
}

static void *be_short(void *arg)
{
    early();
    late();
    short_ns += now_ns(CLOCK_THREAD_CPUTIME_ID);
    return arg;
}

static void *be_busy(void *arg)
{
    while (now_ns(CLOCK_MONOTONIC) < end_ns)
        ;
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t thread, busy;

    if (argc != 3)
        return 2;
    average_ns = atoll(argv[1]) * 1000;
    end_ns = now_ns(CLOCK_MONOTONIC) + atoll(argv[2]) * 1000000000;
    pthread_create(&busy, NULL, be_busy, NULL);
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        each_ns = average_ns / 2 + random() % average_ns;
        pthread_create(&thread, NULL, be_short, NULL);
        pthread_join(thread, NULL);
    }
    pthread_join(busy, NULL);
    printf("short %" PRId64 "\n", short_ns);
    return 0;
}
