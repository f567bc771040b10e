// SPDX-License-Identifier: Apache-2.0
// The library of in_memory.c.
#include <stdint.h>
#include <time.h>

static volatile uint64_t sink;

__attribute__((noinline)) static void hidden_part(void)
{
    for (int i = 0; i < 100000; i++)
        sink += (uint64_t)i;
}

void compute_in_memory(double seconds)
{
    struct timespec now;
    do {
        hidden_part();
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while ((double)now.tv_sec + (double)now.tv_nsec / 1e9 < seconds);
}
