// SPDX-License-Identifier: Apache-2.0
// sleepers THREADS MS SECONDS: so many threads that sleep so long again and again; prints the CPU
// milliseconds that it all took.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct timespec pause_time;

static void *rest(void *arg)
{
    for (;;)
        nanosleep(&pause_time, NULL);
    return arg;
}

int main(int argc, char **argv)
{
    struct timespec used;
    pthread_attr_t attr;
    pthread_t thread;

    if (argc != 4)
        return 2;
    pause_time.tv_sec = atol(argv[2]) / 1000;
    pause_time.tv_nsec = atol(argv[2]) % 1000 * 1000000;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 * 1024);
    for (int i = 0; i < atoi(argv[1]); i++)
        if (pthread_create(&thread, &attr, rest, NULL))
            return 1;
    sleep((unsigned)atoi(argv[3]));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    printf("%.3f\n", (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6);
    fflush(stdout);
    _exit(0);
}
