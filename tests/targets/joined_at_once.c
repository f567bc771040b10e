// SPDX-License-Identifier: Apache-2.0
// Threads that are joined before they have come to anything, later, when they have ended, and by somebody who
// has made another one since, have one timer each while they live and none afterwards.
#include "expect.h"
#include "timers.h"
#include <pthread.h>
#include <stdbool.h>
#include <threads.h>

enum { ROUNDS = 200 };
static int others; // timers before any thread was made: one when profiled
static pthread_t elsewhere;

static void *alone(void *arg)
{
    EXPECT(count_timers() == 2 * others);
    return arg;
}

static void *brief(void *arg)
{
    return arg;
}

static int c11(void *arg)
{
    (void)arg;
    return count_timers() == 2 * others;
}

static void two_threads(void)
{
    pthread_t first, second;
    EXPECT(!pthread_create(&first, NULL, brief, NULL));
    EXPECT(!pthread_create(&second, NULL, brief, NULL));
    EXPECT(!pthread_join(first, NULL));
    EXPECT(!pthread_join(second, NULL));
}

int main(void)
{
    others = count_timers();
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        thrd_t other;
        int result;
        EXPECT(!pthread_create(&thread, NULL, alone, NULL) && !pthread_join(thread, NULL));
        EXPECT(!pthread_create(&elsewhere, NULL, alone, NULL) && !pthread_join(elsewhere, NULL));
        EXPECT(!pthread_create(&thread, NULL, brief, NULL) && !pthread_join(thread, NULL));
        EXPECT(thrd_create(&other, c11, NULL) == thrd_success);
        EXPECT(thrd_join(other, &result) == thrd_success && result);
        EXPECT(!pthread_create(&thread, NULL, brief, NULL));
        usleep(200);
        EXPECT(!pthread_join(thread, NULL));
        two_threads();
    }
    EXPECT(count_timers() == others);
    return 0;
}
