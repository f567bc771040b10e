// SPDX-License-Identifier: Apache-2.0
// A SIGPROF sent to the process reaches the one thread that does not block it, whoever else has all signals
// blocked.
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_int stop, calls, wrong;
static pthread_t receiver;

static void handler(int sig)
{
    (void)sig;
    calls++;
    wrong += !pthread_equal(pthread_self(), receiver);
}

static void *blocked(void *arg)
{
    while (!stop)
        burn(5);
    return arg;
}

static void *receive(void *arg)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    while (!stop)
        burn(5);
    return arg;
}

int main(void)
{
    pthread_t worker[3];
    sigset_t all;

    signal(SIGPROF, handler);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 3; i++)
        EXPECT(!pthread_create(&worker[i], NULL, blocked, NULL));
    EXPECT(!pthread_create(&receiver, NULL, receive, NULL));
    usleep(50000);
    for (int i = 1; i <= 50; i++) {
        kill(getpid(), SIGPROF);
        for (int wait = 0; calls < i && wait < 2000; wait++)
            usleep(1000);
        EXPECT(calls == i);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        EXPECT(!pthread_join(worker[i], NULL));
    EXPECT(!pthread_join(receiver, NULL));
    EXPECT(calls == 50 && wrong == 0);
    return 0;
}
