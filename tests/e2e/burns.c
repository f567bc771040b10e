// SPDX-License-Identifier: Apache-2.0
// burns SECONDS: computes and allocates for so long, and prints its CPU time in ns.
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

__attribute__((noinline)) static void burn_it(int64_t until)
{
    while (now_ns(CLOCK_MONOTONIC) < until) {
        void *volatile block = malloc(1000);
        free(block);
    }
}

int main(int argc, char **argv)
{
    burn_it(now_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argv[argc - 1]) * 1e9));
    printf("%lld\n", (long long)now_ns(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
