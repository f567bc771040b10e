// SPDX-License-Identifier: Apache-2.0
// For 2.5 s, four threads take one lock for a millisecond at a time, and main() keeps 96 KiB every two milliseconds.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 4, BLOCK = 96 * 1024 };
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static void **kept;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

__attribute__((noinline)) static void burn(double seconds)
{
    for (double end = now() + seconds; now() < end;)
        ;
}

__attribute__((noinline)) static void update_table(void)
{
    pthread_mutex_lock(&table);
    burn(0.001);
    pthread_mutex_unlock(&table);
    burn(0.0001);
}

static void *work(void *end)
{
    while (now() < *(double *)end)
        update_table();
    return end;
}

__attribute__((noinline)) static void remember(void)
{
    void **block = malloc(BLOCK);
    memset(block, 1, BLOCK);
    *block = kept;
    kept = block;
}

int main(void)
{
    double end = now() + 2.5;
    pthread_t thread[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, &end);
    while (now() < end) {
        remember();
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
