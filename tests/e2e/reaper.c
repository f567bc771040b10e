/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reaper HOW [NAME=VALUE]: starts three children and leaves an orphan, then waits until there is nobody left.
 * It adopts orphans, as the first process of a pid namespace, or because it asked for that. In the second case
 * it executes itself again with NAME=VALUE in its environment, for example LD_PRELOAD.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 3 };
static pid_t started[CHILDREN];
static volatile sig_atomic_t signals;

static void on_child(int sig)
{
    (void)sig;
    signals++;
}

static pid_t next(const char *how)
{
    siginfo_t info = {0};
    struct rusage usage;
    pid_t pid;

    if (!strcmp(how, "wait"))
        return wait(NULL);
    if (!strcmp(how, "wait4"))
        return wait4(-1, NULL, 0, &usage);
    if (!strcmp(how, "number"))
        return (pid_t)syscall(SYS_wait4, -1, NULL, 0, NULL);
    if (!strcmp(how, "waitid"))
        return waitid(P_ALL, 0, &info, WEXITED) ? -1 : info.si_pid;
    while (!(pid = waitpid(-1, NULL, WNOHANG)))
        usleep(1000);
    return pid;
}

static pid_t child(int number)
{
    pid_t pid = fork();

    if (pid)
        return pid;
    if (number == CHILDREN && fork())
        _exit(0);
    usleep(50000 * (number + 1));
    _exit(0);
}

int main(int argc, char **argv)
{
    int reaped = 0, strangers = 0;
    pid_t pid;

    if (argc > 2) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        putenv(argv[2]);
        execl(argv[0], argv[0], argv[1], NULL);
    }
    for (int i = 0; i < 200000; i++)
        free(malloc(1000));
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_child, .sa_flags = SA_RESTART}, NULL);
    for (int i = 0; i < CHILDREN; i++)
        started[i] = child(i);
    pid = child(CHILDREN); /* its own child is the orphan */
    while (waitpid(pid, NULL, 0) != pid)
        ;
    while ((pid = next(argv[1])) > 0) {
        int known = 0;
        for (int i = 0; i < CHILDREN; i++)
            known |= pid == started[i];
        known ? reaped++ : strangers++;
    }
    printf("reaped %d and an orphan of %d, %d signals, %s\n", reaped, strangers, (int)signals,
           strerror(errno));
    return 0;
}
