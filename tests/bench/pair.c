// SPDX-License-Identifier: Apache-2.0
// Nanoseconds of one malloc and free of 16 to 271 bytes. Argument: threads. Of many short slices, a tenth is faster than
// the one that counts: other programs make a slice slower and none faster.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PAIRS = 20000, SLICES = 400, MOST = 16 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *measure(void *result)
{
    double slice[SLICES];
    for (int s = 0; s < SLICES; s++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_MONOTONIC, &t0);
        for (unsigned i = 0; i < PAIRS; i++) {
            char *volatile block = malloc(16 + i % 256);
            free(block);
        }
        clock_gettime(CLOCK_MONOTONIC, &t1);
        slice[s] = ((double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec)) / PAIRS;
    }
    qsort(slice, SLICES, sizeof *slice, compare);
    *(double *)result = slice[SLICES / 10];
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    pthread_t thread[MOST];
    double result[MOST], sum = 0;
    if (threads < 1 || threads > MOST)
        return 2;
    for (int i = 1; i < threads; i++)
        pthread_create(&thread[i], NULL, measure, &result[i]);
    measure(&result[0]);
    for (int i = 0; i < threads; i++) {
        if (i)
            pthread_join(thread[i], NULL);
        sum += result[i];
    }
    printf("%.3f\n", sum / threads);
    return 0;
}
