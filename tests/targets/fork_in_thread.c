// SPDX-License-Identifier: Apache-2.0
// Threads of a busy program fork; each child goes on with its own thread only, allocates, makes threads and
// exits.
#include "expect.h"
#include <pthread.h>

static void *in_child(void *arg)
{
    burn(10);
    return arg;
}

static void *forker(void *arg)
{
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        if (!child) {
            pthread_t thread;
            burn(10);
            EXPECT(!pthread_create(&thread, NULL, in_child, NULL) && !pthread_join(thread, NULL));
            _exit(3);
        }
        EXPECT(wait_for(child) == 3);
    }
    return arg;
}

int main(void)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        EXPECT(!pthread_create(&thread[i], NULL, forker, NULL));
    burn(100);
    for (int i = 0; i < 4; i++)
        EXPECT(!pthread_join(thread[i], NULL));
    return 0;
}
