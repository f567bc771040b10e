// SPDX-License-Identifier: Apache-2.0
// fork(); the child calls vfork(), whose child is the first to allocate and ends; the child then works for
// 500 ms.
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline)) static void work_child(void)
{
    struct timespec now;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while (now.tv_nsec < 500000000);
}

static int allocate_and_end(void)
{
    char *volatile block = malloc(100);
    _exit(block ? 0 : 1);
}

int main(void)
{
    int status = 1;
    pid_t child = fork();
    if (!child) {
        pid_t borrower = vfork();
        if (!borrower)
            allocate_and_end();
        waitpid(borrower, &status, 0);
        usleep(300000);
        work_child();
        _exit(status != 0);
    }
    waitpid(child, &status, 0);
    return status != 0;
}
