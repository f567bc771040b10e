// SPDX-License-Identifier: Apache-2.0
// Allocates for argv[1] seconds, a little at a time. At every moment its output says "bytes N", what was
// allocated so far: it may be killed.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

__attribute__((noinline)) static void *hog_alloc(size_t size)
{
    void *volatile block = malloc(size);
    return block;
}

int main(int argc, char **argv)
{
    const struct timespec pause = {0, 200000};
    double end = now() + (argc > 1 ? atof(argv[1]) : 1);
    char line[64];

    for (long bytes = 100000; now() < end; bytes += 100000) {
        free(hog_alloc(100000));
        if (pwrite(STDOUT_FILENO, line, (size_t)snprintf(line, sizeof line, "bytes %020ld\n", bytes), 0) < 0)
            return 1;
        nanosleep(&pause, NULL);
    }
    return 0;
}
