// SPDX-License-Identifier: Apache-2.0
// Uses everything that is profiled under the labels endpoint=/small and endpoint=/large, three times as much under the
// latter. "traced": under trace and span ids as well.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../include/cprof/cprof.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile uint64_t sink;
static void *volatile kept;
static int traced;

static int64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

__attribute__((noinline)) static void use_cpu(int64_t ms)
{
    int64_t end = now(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000;
    while (now(CLOCK_THREAD_CPUTIME_ID) < end)
        for (int i = 0; i < 1000; i++)
            sink += (uint64_t)i;
}

static void allocate(int mib)
{
    for (int i = 0; i < mib * 64; i++) {
        char *block = malloc(16384); /* kept */
        block[0] = 1;
        kept = block;
        kept = block = malloc(16384);
        free(block);
    }
}

struct work {
    int factor;
    struct cprof_labels labels;
    pthread_barrier_t barrier;
};

/* Waits for the lock that the labelled thread has. */
static void *want_lock(void *argument)
{
    struct work *work = argument;
    pthread_barrier_wait(&work->barrier);
    usleep(20000);
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void hold_lock(struct work *work)
{
    pthread_t waiter;

    pthread_barrier_init(&work->barrier, NULL, 2);
    pthread_create(&waiter, NULL, want_lock, work);
    pthread_mutex_lock(&lock);
    pthread_barrier_wait(&work->barrier);
    usleep(20000 + 100000 * (useconds_t)work->factor);
    pthread_mutex_unlock(&lock);
    {
        struct cprof_labels none = {{0}};
        CPROF_LABELS_SCOPE(none); /* of the time in pthread_join() nothing is said here */
        pthread_join(waiter, NULL);
    }
    pthread_barrier_destroy(&work->barrier);
}

static void *stay(void *labels)
{
    cprof_labels_apply(*(struct cprof_labels *)labels);
    for (;;)
        pause();
    return NULL;
}

/* A thread begins with nothing. */
static void *carry(void *argument)
{
    const struct work *work = argument;
    use_cpu(100);
    cprof_labels_apply(work->labels);
    use_cpu(200 * work->factor);
    return NULL;
}

static void work_for(const char *endpoint, int factor)
{
    static struct cprof_labels kept_labels[2];
    const unsigned char trace[16] = {(unsigned char)(0xa0 + factor)},
                        span[8] = {0xff, [7] = (unsigned char)factor};
    struct work work = {.factor = factor};
    pthread_t thread;

    CPROF_LABEL_SCOPE("endpoint", endpoint);
    if (traced)
        cprof_trace_set(trace, span);
    use_cpu(200 * factor);
    allocate(10 * factor);
    usleep(100000 * (useconds_t)factor);
    hold_lock(&work);
    work.labels = kept_labels[factor > 1] = cprof_labels_capture();
    pthread_create(&thread, NULL, carry, &work);
    pthread_join(thread, NULL);
    for (int i = 0; i < factor; i++)
        pthread_create(&thread, NULL, stay, &kept_labels[factor > 1]);
}

int main(int count, char **word)
{
    (void)word;
    traced = count > 1;
    work_for("/small", 1);
    work_for("/large", 3);
    use_cpu(200);
    usleep(1200000);
    return 0;
}
