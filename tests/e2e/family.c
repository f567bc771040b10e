// SPDX-License-Identifier: Apache-2.0
// A family of processes: one child by each of fork, vfork + exec, posix_spawn and system, then exec of
// itself. Each burns CPU time in a function of its own. With the argument "leaf": only burn. PATH_OF_OTHER is
// another program to exec.
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile uint64_t sink;

static void burn(void)
{
    clock_t end = clock() + CLOCKS_PER_SEC / 2;
    while (clock() < end)
        for (unsigned i = 0; i < 100000; i++)
            sink = sink * 6364136223846793005u + 1;
}

__attribute__((noinline)) void work_parent(void)
{
    burn();
    sink++;
}
__attribute__((noinline)) void work_forked(void)
{
    burn();
    sink++;
}
__attribute__((noinline)) void work_leaf(void)
{
    burn();
    sink++;
}

static int end_of(pid_t pid)
{
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

int main(int argc, char **argv)
{
    char *leaf[] = {argv[1], "leaf", NULL};
    pid_t pid;
    if (argc == 2 && !strcmp(argv[1], "leaf")) {
        work_leaf();
        return 0;
    }
    work_parent();
    pid = fork();
    if (!pid) {
        work_forked();
        _exit(0);
    }
    if (end_of(pid))
        return 1;
    pid = vfork();
    if (!pid) {
        execv(leaf[0], leaf);
        _exit(127);
    }
    if (end_of(pid) || posix_spawn(&pid, leaf[0], NULL, NULL, leaf, environ) || end_of(pid))
        return 2;
    if (system(argv[2]))
        return 3;
    puts("all ended");
    fflush(stdout);
    execv(leaf[0], leaf);
    return 4;
}
