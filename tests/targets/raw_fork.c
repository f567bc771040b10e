// SPDX-License-Identifier: Apache-2.0
// A child made by a raw system call, past libc, has signal handlers, threads and memory of its own.
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static volatile sig_atomic_t in_parent, in_child;
static void parent_handler(int sig)
{
    in_parent += sig == SIGPROF;
}
static void child_handler(int sig)
{
    in_child += sig == SIGPROF;
}

static pid_t fork_by_number(void)
{
#ifdef SYS_fork
    return (pid_t)syscall(SYS_fork);
#else
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

int main(void)
{
    signal(SIGPROF, parent_handler);
    burn(30);
    for (int i = 0; i < 5; i++) {
        pid_t child = fork_by_number();
        if (!child) {
            EXPECT(signal(SIGPROF, child_handler) == parent_handler);
            burn(50);
            EXPECT(in_child == 0 && in_parent == i);
            raise(SIGPROF);
            EXPECT(in_child == 1 && in_parent == i);
            _exit(2);
        }
        EXPECT(wait_for(child) == 2);
        raise(SIGPROF);
        EXPECT(in_parent == i + 1 && in_child == 0);
    }
    return 0;
}
