// SPDX-License-Identifier: Apache-2.0
// A fixed amount of work at a stack depth; prints the CPU seconds it took. Arguments: depth, rounds.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile uint64_t sink;

__attribute__((noinline)) void descend(int depth, unsigned rounds)
{
    if (depth > 0) {
        descend(depth - 1, rounds);
        sink++;
        return;
    }
    for (unsigned r = 0; r < rounds; r++) {
        uint64_t x = sink;
        for (unsigned i = 0; i < 1000000; i++)
            x = x * 6364136223846793005u + 1;
        sink = x;
    }
}

int main(int argc, char **argv)
{
    struct timespec t;
    descend(argc > 1 ? atoi(argv[1]) : 40, argc > 2 ? (unsigned)atoi(argv[2]) : 1000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    printf("%.5f\n", (double)t.tv_sec + (double)t.tv_nsec / 1e9);
    return 0;
}
