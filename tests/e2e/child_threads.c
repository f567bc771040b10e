// SPDX-License-Identifier: Apache-2.0
// A forked child that makes threads at once: 0.5 s of CPU time in each of three, of which one ends by itself,
// one by pthread_exit() and one is cancelled. The child's main thread waits for them.
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline)) static void work_in_child(int64_t ns)
{
    struct timespec now;
    volatile uint64_t x = 0;
    do {
        for (int i = 0; i < 10000; i++)
            x += (uint64_t)i;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while (now.tv_sec * INT64_C(1000000000) + now.tv_nsec < ns);
}

static void *returns(void *argument)
{
    work_in_child(500000000);
    return argument;
}

static void *exits(void *argument)
{
    work_in_child(500000000);
    pthread_exit(argument);
}

static void *cancelled(void *argument)
{
    work_in_child(500000000);
    for (;;)
        pause();
    return argument;
}

int main(void)
{
    static void *(*const starts[])(void *) = {returns, exits, cancelled};
    pthread_t threads[3];
    int status;
    pid_t child = fork();

    if (!child) {
        for (int i = 0; i < 3; i++)
            if (pthread_create(&threads[i], NULL, starts[i], NULL))
                _exit(1);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        pthread_cancel(threads[2]);
        pthread_join(threads[2], NULL);
        _exit(0);
    }
    return waitpid(child, &status, 0) != child || status;
}
