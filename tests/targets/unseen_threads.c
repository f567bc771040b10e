// SPDX-License-Identifier: Apache-2.0
// Threads that no hook sees (libc makes its own, and so does io_uring) have one timer each at most while they
// live, and none when they have ended: timers of ended threads would use up the user's limit of pending
// signals.
#include "expect.h"
#include "timers.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 3, PATIENCE_MS = 6000 };

static atomic_bool allocate, over;
typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static void *work(void *arg)
{
    while (!over) {
        for (volatile int i = 0; i < 1000000; i++)
            ;
        if (arg && allocate)
            burn(2);
        usleep(20000);
    }
    return arg;
}

int main(void)
{
    pthread_t thread[THREADS];
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    create_function *create = libc ? (create_function *)dlsym(libc, "pthread_create") : NULL;

    if (!create && (libc = dlopen("libpthread.so.0", RTLD_NOW))) /* before glibc 2.34 */
        create = (create_function *)dlsym(libc, "pthread_create");
    EXPECT(create);
    for (int round = 0; round < ROUNDS; round++) {
        allocate = over = false;
        for (int i = 0; i < THREADS; i++)
            EXPECT(!create(&thread[i], NULL, work, i % 2 ? thread : NULL));
        for (int i = 0; i < 40; i++) {
            allocate = i > 30;
            burn(30);
            usleep(20000);
        }
        EXPECT(count_timers() <= 1 + THREADS);
        over = true;
        for (int i = 0; i < THREADS; i++)
            EXPECT(!pthread_join(thread[i], NULL));
    }
    for (int waited = 0; count_timers() > 1; waited += 100) {
        EXPECT(waited < PATIENCE_MS);
        burn(50);
        usleep(50000);
    }
    return 0;
}
