// SPDX-License-Identifier: Apache-2.0
// Cancelled threads run their clean-up handlers, whether they sleep, wait for a signal, or use the CPU.
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_int ready;
static int cleaned;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void clean(void *block)
{
    free(block);
    pthread_mutex_lock(&lock);
    cleaned++;
    pthread_mutex_unlock(&lock);
}

static void *asleep(void *arg)
{
    pthread_cleanup_push(clean, malloc(1000));
    ready = 1;
    for (;;)
        sleep(100);
    pthread_cleanup_pop(1);
    return arg;
}

static void *in_sigwait(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_cleanup_push(clean, malloc(1000));
    ready = 1;
    for (;;)
        sigwaitinfo(&all, NULL);
    pthread_cleanup_pop(1);
    return arg;
}

static void *busy(void *arg)
{
    pthread_cleanup_push(clean, malloc(1000));
    ready = 1;
    for (;;) {
        burn(1);
        pthread_testcancel();
    }
    pthread_cleanup_pop(1);
    return arg;
}

static void *spinning(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    pthread_cleanup_push(clean, NULL);
    ready = 1;
    for (volatile unsigned i = 0;; i++)
        ;
    pthread_cleanup_pop(1);
    return arg;
}

int main(void)
{
    static void *(*const kinds[])(void *) = {asleep, in_sigwait, busy, spinning};
    for (int i = 0; i < 40; i++) {
        pthread_t thread;
        void *result;
        EXPECT(!pthread_create(&thread, NULL, kinds[i % 4], NULL));
        while (!ready)
            usleep(100);
        usleep(2000);
        ready = 0;
        EXPECT(!pthread_cancel(thread));
        EXPECT(!pthread_join(thread, &result) && result == PTHREAD_CANCELED);
    }
    EXPECT(cleaned == 40);
    return 0;
}
