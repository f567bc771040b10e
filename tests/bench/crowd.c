// SPDX-License-Identifier: Apache-2.0
// crowd THREADS SECONDS: of 100 threads, 60 wait for ever, 30 sleep for a second at a time, 9 for a fifth of one, and one
// works for 5 ms out of 500. Each is built with another NUMBER, which makes another program of it.
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
#ifndef NUMBER /* tells the programs of the crowd apart */
#define NUMBER 0
#endif
static volatile unsigned sink = NUMBER;

__attribute__((noinline)) static void rest_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

__attribute__((noinline)) static void work_ms(long ms)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        char *volatile block = malloc(1000 + sink % 1000);
        for (unsigned i = 0; i < 10000; i++)
            sink = sink * 33 + i;
        free(block);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

__attribute__((noinline)) static void wait_for_ever(void)
{
    pthread_mutex_lock(&lock);
    for (;;)
        pthread_cond_wait(&never, &lock);
}

static void *run(void *arg)
{
    const unsigned kind = (unsigned)(uintptr_t)arg % 100;
    rest_ms((long)((uintptr_t)arg * 7 % 500));
    if (kind >= 40)
        wait_for_ever();
    for (;;) {
        rest_ms(kind >= 10 ? 1000 : kind ? 200 : 495);
        if (!kind)
            work_ms(5);
    }
    return arg;
}

int main(int argc, char **argv)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (argc != 3)
        return 2;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 * 1024);
    for (long i = 0; i < atol(argv[1]); i++)
        if (pthread_create(&thread, &attr, run, (void *)(uintptr_t)i))
            return 1;
    sleep((unsigned)atoi(argv[2]));
    _exit(0);
}
