// SPDX-License-Identifier: Apache-2.0
// 200 threads asleep in ten places, 20 in each, until the program ends after argv[1] seconds. Prints "lived
// NS", from the middle of their beginnings to the end.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "waits.h"

#define PLACES(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
enum { EACH = 20 };

#define X(n)                                                                                                 \
    __attribute__((noinline)) static void *place_##n(void *arg)                                              \
    {                                                                                                        \
        for (;;)                                                                                             \
            sleep(1000);                                                                                     \
        return arg;                                                                                          \
    }
PLACES(X)
#undef X

int main(int argc, char **argv)
{
#define X(n) place_##n,
    void *(*const places[])(void *) = {PLACES(X)};
#undef X
    int64_t from = now_ns(CLOCK_MONOTONIC);
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 * 1024);
    for (int i = 0; i < 10 * EACH; i++)
        if (pthread_create(&thread, &attr, places[i / EACH], NULL))
            return 1;
    from = (from + now_ns(CLOCK_MONOTONIC)) / 2;
    usleep((unsigned)(atof(argc > 1 ? argv[1] : "2") * 1e6));
    printf("lived %" PRId64 "\n", now_ns(CLOCK_MONOTONIC) - from);
    fflush(stdout);
    exit(0); /* whose handlers say when, however late that is noticed */
}
