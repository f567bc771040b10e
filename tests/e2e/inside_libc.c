// SPDX-License-Identifier: Apache-2.0
// Uses the CPU inside functions of libc, each called from a function of its own; argv[1]: milliseconds each. At the end
// main() waits where nobody interposes, for a second.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "waits.h"

static char one[1 << 16], other[1 << 16];
static volatile size_t sink;

#define USER(name, call)                                                                                     \
    __attribute__((noinline)) static void name(int64_t ns)                                                   \
    {                                                                                                        \
        for (int64_t end = now_ns(CLOCK_MONOTONIC) + ns; now_ns(CLOCK_MONOTONIC) < end;)                     \
            for (int i = 0; i < 20; i++) {                                                                   \
                call;                                                                                        \
                __asm__ volatile("" ::: "memory");                                                           \
            }                                                                                                \
    }
USER(copies, memcpy(one, other, sizeof one))
USER(measures, sink += strlen(one))
USER(prints, sink += (size_t)snprintf(other, 100, "%d %s %g", (int)sink, "text", (double)sink / 3))
USER(allocates, free(malloc(1 + (sink += 7) % 5000)))

int main(int argc, char **argv)
{
    int64_t ns = atoll(argc > 1 ? argv[1] : "500") * 1000000;
    FILE *sleeper = popen("sleep 1", "r");

    copies(ns);
    memset(one, 'x', sizeof one - 1);
    measures(ns);
    prints(ns);
    allocates(ns);
    pclose(sleeper);
    sleeper = popen("sleep 1", "r");
    fgetc(sleeper); /* reads inside libc */
    pclose(sleeper);
    return 0;
}
