// SPDX-License-Identifier: Apache-2.0
// Three threads take a lock for an instant, again and again; ten times another one keeps it for 50 ms, five
// of them asleep, five on the CPU. Then a waiter leaves by siglongjmp(), and the lock is held with nobody
// waiting. Prints "stalled NS", what the three together waited for the stalls.
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "waits.h"

enum { HOT = 3, STALLS = 10, STALL_NS = 50000000 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int over;
static volatile long count;
static sigjmp_buf out;

static void *hot(void *arg)
{
    while (!over) {
        pthread_mutex_lock(&lock);
        count++;
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

__attribute__((noinline)) static int64_t stall(int on_the_cpu)
{
    int64_t from;

    pthread_mutex_lock(&lock);
    from = now_ns(CLOCK_MONOTONIC);
    if (on_the_cpu)
        burn(STALL_NS);
    else
        rest(STALL_NS);
    from = now_ns(CLOCK_MONOTONIC) - from;
    pthread_mutex_unlock(&lock);
    return from * HOT;
}

static void jump(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

static void *give_up(void *arg)
{
    signal(SIGUSR1, jump);
    if (!sigsetjmp(out, 1))
        pthread_mutex_lock(&lock);
    return arg;
}

__attribute__((noinline)) static void alone(void)
{
    for (int i = 0; i < 3; i++) {
        pthread_mutex_lock(&lock);
        rest(100000000);
        pthread_mutex_unlock(&lock);
    }
}

int main(void)
{
    pthread_t thread[HOT], other;
    int64_t stalled = 0;

    for (int i = 0; i < HOT; i++)
        pthread_create(&thread[i], NULL, hot, NULL);
    for (int i = 0; i < STALLS; i++) {
        rest(100000000);
        stalled += stall(i % 2);
    }
    over = 1;
    for (int i = 0; i < HOT; i++)
        pthread_join(thread[i], NULL);
    pthread_mutex_lock(&lock);
    pthread_create(&other, NULL, give_up, NULL);
    rest(50000000);
    pthread_kill(other, SIGUSR1);
    pthread_join(other, NULL);
    pthread_mutex_unlock(&lock);
    alone();
    printf("stalled %" PRId64 "\n", stalled);
    return 0;
}
