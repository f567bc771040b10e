// SPDX-License-Identifier: Apache-2.0
// A program for /debug/pprof/: one thread computes, two wait for a lock that a third holds for most of the time, and main
// allocates: one block in ten is kept. Runs until it is killed, or for so many seconds.
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile unsigned long sink;

__attribute__((noinline)) void compute(void)
{
    for (unsigned i = 0; i < 1000000; i++)
        sink += i;
}

__attribute__((noinline)) void *keep(void)
{
    return malloc(20000);
}

__attribute__((noinline)) void hold(void)
{
    pthread_mutex_lock(&lock);
    usleep(3000);
    pthread_mutex_unlock(&lock);
}

static void *computes(void *arg)
{
    for (;;)
        compute();
    return arg;
}

static void *waits(void *arg)
{
    for (;;) {
        hold();
        usleep(500);
    }
    return arg;
}

int main(int argc, char **argv)
{
    time_t end = argc > 1 ? time(NULL) + atoi(argv[1]) : 0;
    pthread_t thread;

    pthread_create(&thread, NULL, computes, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread, NULL, waits, NULL);
    for (unsigned i = 0; !end || time(NULL) < end; i++) {
        void *block = keep();
        if (i % 10)
            free(block);
        usleep(200);
    }
    return 0;
}
