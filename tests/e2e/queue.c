// SPDX-License-Identifier: Apache-2.0
// A queue of jobs behind a condition variable: a job comes every 20 ms, is waited for, and is served in 5 ms.
// Prints "waited NS", what the server measured in pthread_cond_wait(). argv[1]: seconds.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t job = PTHREAD_COND_INITIALIZER;
static int jobs, over, is_waiting;
static int64_t waited_ns;

__attribute__((noinline)) static int await_job(void)
{
    int64_t from;
    int got;

    pthread_mutex_lock(&lock);
    from = now_ns(CLOCK_MONOTONIC);
    is_waiting = 1;
    while (!jobs && !over)
        pthread_cond_wait(&job, &lock);
    is_waiting = 0;
    waited_ns += now_ns(CLOCK_MONOTONIC) - from;
    got = jobs > 0;
    jobs -= got;
    pthread_mutex_unlock(&lock);
    return got;
}

__attribute__((noinline)) static void serve(void)
{
    burn(5000000);
}

static void *server(void *arg)
{
    pthread_setname_np(pthread_self(), "server");
    while (await_job())
        serve();
    return arg;
}

int main(int argc, char **argv)
{
    int64_t end_ns = now_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argc > 1 ? argv[1] : "2") * 1e9);
    pthread_t thread;

    pthread_create(&thread, NULL, server, NULL);
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        rest(20000000);
        pthread_mutex_lock(&lock);
        if (is_waiting) { /* on a busy machine, too, it waits for each job */
            jobs = 1;
            pthread_cond_signal(&job);
        }
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    over = 1;
    pthread_cond_signal(&job);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    printf("waited %" PRId64 "\n", waited_ns);
    return 0;
}
