// SPDX-License-Identifier: Apache-2.0
// Ever new stacks: the bits of a counter decide which of two functions calls the next. Argument: how many.
// Prints the bytes it allocated. With a second argument: how many microseconds to sleep after each hundred.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t bytes;
static volatile uint64_t sink;
void zero(uint64_t bits, int depth);
void one(uint64_t bits, int depth);

static void next(uint64_t bits, int depth)
{
    if (depth) {
        (bits & 1 ? one : zero)(bits >> 1, depth - 1);
    } else {
        void *volatile block = malloc(4096);
        free(block);
        bytes += 4096;
    }
}
__attribute__((noinline)) void zero(uint64_t bits, int depth)
{
    next(bits, depth);
    sink++;
}
__attribute__((noinline)) void one(uint64_t bits, int depth)
{
    next(bits, depth);
    sink += 2;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    for (uint64_t i = 0; i < count; i++) {
        next(i, 24);
        if (argc > 2 && i % 100 == 0)
            usleep((useconds_t)atoi(argv[2]));
    }
    printf("%llu\n", (unsigned long long)bytes);
    return 0;
}
