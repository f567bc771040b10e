// SPDX-License-Identifier: Apache-2.0
// Four threads, each of which waits in one system call again and again for argv[1] seconds: read of a pipe,
// poll, nanosleep, and the futex of a semaphore. Prints "NAME NS", how long each of them waited by its own
// clock.
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "waits.h"

static int64_t end_ns;
static int ends[2];
static sem_t work;
static _Atomic int64_t waited_ns[4];
enum { READER, POLLER, WORKER, MAIN };

static void add_since(int who, int64_t from_ns)
{
    waited_ns[who] += now_ns(CLOCK_MONOTONIC) - from_ns;
}

static void *reader(void *arg)
{
    char byte;
    int64_t from = now_ns(CLOCK_MONOTONIC);
    while (read(ends[0], &byte, 1) == 1) {
        add_since(READER, from);
        burn(1000000);
        from = now_ns(CLOCK_MONOTONIC);
    }
    return arg;
}

static void *poller(void *arg)
{
    for (int64_t from; (from = now_ns(CLOCK_MONOTONIC)) < end_ns; add_since(POLLER, from))
        poll(NULL, 0, 7);
    return arg;
}

static void *worker(void *arg)
{
    for (int64_t from; (from = now_ns(CLOCK_MONOTONIC)) < end_ns; add_since(WORKER, from))
        sem_wait(&work);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t thread[3];

    end_ns = now_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argc > 1 ? argv[1] : "2") * 1e9);
    if (pipe(ends) || sem_init(&work, 0, 0))
        return 1;
    pthread_create(&thread[0], NULL, reader, NULL);
    pthread_create(&thread[1], NULL, poller, NULL);
    pthread_create(&thread[2], NULL, worker, NULL);
    for (int64_t from; (from = now_ns(CLOCK_MONOTONIC)) < end_ns;) {
        rest(10000000);
        add_since(MAIN, from);
        if (write(ends[1], "", 1) != 1)
            return 1;
        sem_post(&work);
    }
    sem_post(&work);
    pthread_join(thread[1], NULL);
    pthread_join(thread[2], NULL);
    printf("reader %" PRId64 "\npoller %" PRId64 "\nworker %" PRId64 "\nmain %" PRId64 "\n",
           waited_ns[READER], waited_ns[POLLER], waited_ns[WORKER], waited_ns[MAIN]);
    fflush(stdout);
    _exit(0);
}
