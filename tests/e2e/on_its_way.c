// SPDX-License-Identifier: Apache-2.0
// Built with SLOW, a library to be preloaded in which who waits for a condition is on its way for 100 us.
// Else a program in which a condition is signalled just then, 50 times, by a thread without the mutex; it is
// woken 20 ms later. Nobody ever waits for the mutex for longer than microseconds.
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#include "waits.h"

static void spend(int64_t ns)
{
    for (int64_t end = now_ns(CLOCK_MONOTONIC) + ns; now_ns(CLOCK_MONOTONIC) < end;)
        ;
}

#ifdef SLOW
int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    int (*real)(pthread_cond_t *, pthread_mutex_t *) = dlsym(RTLD_NEXT, "pthread_cond_wait");
    spend(100000);
    return real(cond, mutex);
}
#else
enum { TIMES = 50 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static atomic_int asked, turn;

static void *wait_for_turns(void *arg)
{
    pthread_mutex_lock(&mutex);
    for (int seen = 0; seen < TIMES; seen++) {
        asked = seen + 1;
        while (turn == seen)
            pthread_cond_wait(&turned, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, wait_for_turns, NULL);
    for (int i = 0; i < TIMES; i++) {
        while (asked <= i)
            ;
        spend(30000);
        pthread_cond_signal(&turned);
        rest(20000000);
        pthread_mutex_lock(&mutex);
        turn++;
        pthread_mutex_unlock(&mutex);
        pthread_cond_signal(&turned);
    }
    return pthread_join(thread, NULL);
}
#endif
