// SPDX-License-Identifier: Apache-2.0
// Two threads named by their creator and by themselves burn 3 parts and 1 part; a third is named by prctl and
// allocates.
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static volatile uint64_t sink;

static void burn(double seconds)
{
    struct timespec t;
    do {
        for (unsigned i = 0; i < 100000; i++)
            sink = sink * 6364136223846793005u + 1;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    } while ((double)t.tv_sec + (double)t.tv_nsec / 1e9 < seconds);
}

static void *three(void *arg)
{
    burn(1.5);
    return arg;
}

static void *one(void *arg)
{
    pthread_setname_np(pthread_self(), "one-part");
    burn(0.5);
    return arg;
}

static void *allocate(void *arg)
{
    prctl(PR_SET_NAME, "allocator");
    for (int i = 0; i < 20000; i++) {
        void *volatile block = calloc(1, 10000);
        free(block);
    }
    return arg;
}

int main(void)
{
    pthread_t thread[3];
    pthread_create(&thread[0], NULL, three, NULL);
    pthread_setname_np(thread[0], "three-parts");
    pthread_create(&thread[1], NULL, one, NULL);
    pthread_create(&thread[2], NULL, allocate, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
