// SPDX-License-Identifier: Apache-2.0
// Allocates gigabytes in blocks of 64 bytes to 16 KiB, at 1 GB a second, keeping the newest 1000, writing to
// each; prints the CPU seconds it took for a gigabyte. Argument: gigabytes.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static char *ring[1000];
    double goal = (argc > 1 ? atof(argv[1]) : 1) * 1e9, done = 0, start = seconds(CLOCK_MONOTONIC);
    uint32_t seed = 1;
    for (unsigned i = 0; done < goal; i++) {
        size_t size;
        seed = seed * 1664525 + 1013904223;
        size = (size_t)64 << (seed >> 8) % 9;
        free(ring[i % 1000]);
        ring[i % 1000] = malloc(size);
        memset(ring[i % 1000], 1, size);
        done += (double)size;
        if (i % 10000 == 0) {
            double ahead = done / 1e9 - (seconds(CLOCK_MONOTONIC) - start);
            struct timespec pause = {0, (long)(ahead * 1e9)};
            if (ahead > 0 && ahead < 1)
                nanosleep(&pause, NULL);
        }
    }
    printf("%.4f\n", seconds(CLOCK_PROCESS_CPUTIME_ID) / (goal / 1e9));
    return 0;
}
