// SPDX-License-Identifier: Apache-2.0
// A writer holds a read-write lock 20 ms at a time; two readers wait for it, and hold it too short to matter.
// Prints "readers NS" and "writer NS", what each side waited. argv[1]: seconds.
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "waits.h"

enum { READERS = 2 };
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic int64_t readers_ns, writer_ns;
static atomic_int over;

__attribute__((noinline)) static void read_it(void)
{
    int64_t from = now_ns(CLOCK_MONOTONIC);
    pthread_rwlock_rdlock(&lock);
    readers_ns += now_ns(CLOCK_MONOTONIC) - from;
    pthread_rwlock_unlock(&lock);
}

__attribute__((noinline)) static void write_it(void)
{
    int64_t from = now_ns(CLOCK_MONOTONIC);
    pthread_rwlock_wrlock(&lock);
    writer_ns += now_ns(CLOCK_MONOTONIC) - from;
    rest(20000000);
    pthread_rwlock_unlock(&lock);
}

static void *reader(void *arg)
{
    while (!over) {
        read_it();
        rest(1000000);
    }
    return arg;
}

int main(int argc, char **argv)
{
    int64_t end_ns = now_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argc > 1 ? argv[1] : "2") * 1e9);
    pthread_t thread[READERS];

    for (int i = 0; i < READERS; i++)
        pthread_create(&thread[i], NULL, reader, NULL);
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        write_it();
        rest(5000000);
    }
    over = 1;
    for (int i = 0; i < READERS; i++)
        pthread_join(thread[i], NULL);
    printf("readers %" PRId64 "\nwriter %" PRId64 "\n", readers_ns, writer_ns);
    return 0;
}
