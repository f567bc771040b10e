// SPDX-License-Identifier: Apache-2.0
// Sleeps for argv[1] seconds and ends; prints "slept NS".
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

int main(int argc, char **argv)
{
    int64_t from = now_ns(CLOCK_MONOTONIC);

    rest((int64_t)(atof(argc > 1 ? argv[1] : "0.005") * 1e9));
    printf("slept %" PRId64 "\n", now_ns(CLOCK_MONOTONIC) - from);
    return 0;
}
