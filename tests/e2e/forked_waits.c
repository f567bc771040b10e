// SPDX-License-Identifier: Apache-2.0
// A process whose forked children wait and do nothing else: one for a lock that was held at the fork, one in
// epoll_wait(), one in a read, 50 ms after the fork. The parent ends them all after argv[1] seconds.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "waits.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ends[2];

__attribute__((noinline)) static void child_in_lock(void)
{
    pthread_mutex_lock(&lock);
    __asm__ volatile("");
}

__attribute__((noinline)) static void child_in_epoll(void)
{
    struct epoll_event event;
    epoll_wait(epoll_create1(0), &event, 1, -1);
    __asm__ volatile("");
}

__attribute__((noinline)) static void child_in_read(void)
{
    char byte;
    burn(50000000);
    if (read(ends[0], &byte, 1) != 1)
        _exit(1);
}

int main(int argc, char **argv)
{
    static void (*const children[])(void) = {child_in_lock, child_in_epoll, child_in_read};
    enum { CHILDREN = sizeof children / sizeof children[0] };
    pid_t pid[CHILDREN];

    if (pipe(ends))
        return 1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < CHILDREN; i++) {
        pid[i] = fork();
        if (!pid[i]) {
            children[i]();
            _exit(0);
        }
    }
    rest((int64_t)(atof(argc > 1 ? argv[1] : "2") * 1e9));
    for (int i = 0; i < CHILDREN; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);
    }
    return 0;
}
