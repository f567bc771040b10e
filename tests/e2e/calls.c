// SPDX-License-Identifier: Apache-2.0
// Four threads, each of which waits in one system call again and again for argv[1] seconds: read of a pipe,
// poll, nanosleep, and the futex of a semaphore.
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "waits.h"

static int64_t end_ns;
static int ends[2];
static sem_t work;

static void *reader(void *arg)
{
    char byte;
    while (read(ends[0], &byte, 1) == 1)
        burn(1000000);
    return arg;
}

static void *poller(void *arg)
{
    while (now_ns(CLOCK_MONOTONIC) < end_ns)
        poll(NULL, 0, 7);
    return arg;
}

static void *worker(void *arg)
{
    while (now_ns(CLOCK_MONOTONIC) < end_ns)
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
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        rest(10000000);
        if (write(ends[1], "", 1) != 1)
            return 1;
        sem_post(&work);
    }
    sem_post(&work);
    pthread_join(thread[1], NULL);
    pthread_join(thread[2], NULL);
    _exit(0);
}
