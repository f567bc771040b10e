// SPDX-License-Identifier: Apache-2.0
// Makes and joins COUNT threads, one after the other; each allocates a little.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *work(void *arg)
{
    void *volatile block = malloc(100000);
    free(block);
    return arg;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 20000;
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL) || pthread_join(thread, NULL))
            return 1;
    }
    puts("done");
    return 0;
}
