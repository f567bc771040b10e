// SPDX-License-Identifier: Apache-2.0
// Leaks 8 KiB blocks, 4 MiB in a second for so many seconds, and holds 16 MiB from the start. Argument: seconds.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *volatile kept;

static __attribute__((noinline)) void leak(size_t size)
{
    char *block = malloc(size);

    memset(block, 1, size);
    kept = block;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) * 64 : 64;

    for (int i = 0; i < 2048; i++)
        leak(8192);
    for (int i = 0; i < rounds; i++) {
        for (int j = 0; j < 8; j++)
            leak(8192);
        usleep(1000000 / 64);
    }
    return 0;
}
