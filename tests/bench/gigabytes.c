// SPDX-License-Identifier: Apache-2.0
// Allocates gigabytes in blocks of 64 bytes to 16 KiB, keeping the newest 1000, and works a nanosecond or so
// on each byte: a busy program that allocates 1 GB a second. Prints the CPU seconds it took for a gigabyte.
// Argument: gigabytes.
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
    double goal = (argc > 1 ? atof(argv[1]) : 1) * 1e9, done = 0;
    uint32_t seed = 1;
    uint64_t x = 1;
    for (unsigned i = 0; done < goal; i++) {
        char **block = &ring[i % 1000];
        size_t size;
        seed = seed * 1664525 + 1013904223;
        size = (size_t)64 << (seed >> 8) % 9;
        free(*block);
        *block = malloc(size);
        memset(*block, 1, size);
        for (size_t byte = 0; byte < size; byte++)
            x = x * 6364136223846793005u + 1;
        (*block)[x % size] = 2;
        done += (double)size;
    }
    printf("%.4f\n", seconds(CLOCK_PROCESS_CPUTIME_ID) / (goal / 1e9));
    return 0;
}
