// SPDX-License-Identifier: Apache-2.0
// Thousands of short threads, joined and detached, each with its argument, result and thread-local
// destructor.
#include "expect.h"
#include <pthread.h>
#include <stdatomic.h>
#include <threads.h>

static pthread_key_t key;
static atomic_int destroyed;

static void destroy(void *block)
{
    free(block);
    destroyed++;
}

static void *work(void *arg)
{
    pthread_setspecific(key, malloc(100));
    if ((uintptr_t)arg % 2)
        pthread_exit((void *)((uintptr_t)arg + 1));
    return (void *)((uintptr_t)arg + 1);
}

static int c11(void *arg)
{
    return -(int)(uintptr_t)arg;
}

int main(void)
{
    pthread_key_create(&key, destroy);
    for (uintptr_t i = 0; i < 5000; i++) {
        pthread_t thread;
        void *result;
        EXPECT(!pthread_create(&thread, NULL, work, (void *)i));
        EXPECT(!pthread_join(thread, &result) && result == (void *)(i + 1));
    }
    EXPECT(destroyed == 5000);
    for (int i = 0; i < 500; i++) {
        thrd_t thread;
        int result;
        EXPECT(thrd_create(&thread, c11, (void *)(uintptr_t)i) == thrd_success);
        EXPECT(thrd_join(thread, &result) == thrd_success && result == -i);
    }
    for (uintptr_t i = 0; i < 500; i++) {
        pthread_t thread;
        EXPECT(!pthread_create(&thread, NULL, work, (void *)i) && !pthread_detach(thread));
    }
    while (destroyed < 5500)
        usleep(1000);
    return 0;
}
