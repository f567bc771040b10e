// SPDX-License-Identifier: Apache-2.0
// Sleeping and waiting calls of a program with busy threads end by what they wait for, never by EINTR.
#include "expect.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

static atomic_int stop;
static void *busy(void *arg)
{
    while (!stop)
        burn(5);
    return arg;
}

int main(void)
{
    const struct timespec moment = {0, 20000000};
    struct epoll_event event;
    pthread_t thread;
    int ends[2], epoll = epoll_create1(0);

    EXPECT(!pipe(ends) && !pthread_create(&thread, NULL, busy, NULL));
    for (int i = 0; i < 10; i++) {
        struct pollfd fd = {.fd = ends[0], .events = POLLIN};
        burn(9);
        EXPECT(!nanosleep(&moment, NULL));
        EXPECT(poll(&fd, 1, 20) == 0);
        EXPECT(epoll_wait(epoll, &event, 1, 20) == 0);
        EXPECT(usleep(20000) == 0);
    }
    stop = 1;
    EXPECT(!pthread_join(thread, NULL));
    return 0;
}
