// SPDX-License-Identifier: Apache-2.0
// Threads that burn, sleep, do both in turns, and wait in a raw futex that nobody interposes, for argv[1]
// seconds; prints "NAME NS", how long each of them lived.
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw_call.h"
#include "waits.h"

static int64_t end_ns;
static uint32_t word;

static void burner(void)
{
    while (now_ns(CLOCK_MONOTONIC) < end_ns)
        burn(1000000);
}

static void sleeper(void)
{
    while (now_ns(CLOCK_MONOTONIC) < end_ns)
        rest(30000000);
}

static void both(void)
{
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        burn(10000000);
        rest(10000000);
    }
}

/* Not by syscall(), which is a function that could be interposed. */
static void raw(void)
{
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        struct timespec time = {0, 50000000};
        raw_call(SYS_futex, (long)&word, FUTEX_WAIT, 0, (long)&time);
    }
}

static const struct life {
    const char *name;
    void (*run)(void);
} lives[] = {{"burner", burner}, {"sleeper", sleeper}, {"both", both}, {"raw", raw}};
enum { LIVES = sizeof lives / sizeof lives[0] };
static int64_t lived_ns[LIVES];

static void *live(void *arg)
{
    const struct life *life = arg;
    int64_t from = now_ns(CLOCK_MONOTONIC);

    pthread_setname_np(pthread_self(), life->name);
    life->run();
    lived_ns[life - lives] = now_ns(CLOCK_MONOTONIC) - from;
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[LIVES];

    end_ns = now_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argc > 1 ? argv[1] : "3") * 1e9);
    for (int i = 0; i < LIVES; i++)
        pthread_create(&thread[i], NULL, live, (void *)&lives[i]);
    for (int i = 0; i < LIVES; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < LIVES; i++)
        printf("%s %" PRId64 "\n", lives[i].name, lived_ns[i]);
    return 0;
}
