// SPDX-License-Identifier: Apache-2.0
// 10,000 threads alive at one time, with small stacks, all work and all end.
// alone
#include "expect.h"
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 10000 };
static pthread_t thread[THREADS];
static pthread_barrier_t barrier;
static atomic_int worked;

static void *work(void *arg)
{
    free(malloc(1000));
    worked++;
    pthread_barrier_wait(&barrier);
    return arg;
}

int main(void)
{
    pthread_attr_t attr;
    int made = 0, result = 0;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 32768);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (; made < THREADS && !result; made += !result)
        result = pthread_create(&thread[made], &attr, work, NULL);
    if (made < THREADS)
        SKIP("the system allows fewer threads (kernel.pid_max, vm.max_map_count, ulimit -u)");
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        EXPECT(!pthread_join(thread[i], NULL));
    EXPECT(worked == THREADS);
    return 0;
}
