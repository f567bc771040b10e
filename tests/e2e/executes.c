/* SPDX-License-Identifier: Apache-2.0 */
/* executes PROGRAM: starts it in each way that there is, one after the other, and says how each ended. What
   follows "exec:" executes it in its place. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const ways[] = {"execve",      "execv",        "execvp",  "execvpe",  "execl",
                                   "execlp",      "execle",       "fexecve", "execveat", "syscall",
                                   "posix_spawn", "posix_spawnp", "vfork"};

static pid_t spawn(const char *way, char *path, char **argv)
{
    char *name = strrchr(path, '/') + 1;
    pid_t pid = -1;

    if (!strcmp(way, "posix_spawn"))
        posix_spawn(&pid, path, NULL, NULL, argv, environ);
    else
        posix_spawnp(&pid, name, NULL, NULL, argv, environ);
    return pid;
}

static void execute(const char *way, char *path, char **argv)
{
    char *name = strrchr(path, '/') + 1;

    if (!strcmp(way, "execve") || !strcmp(way, "vfork"))
        execve(path, argv, environ);
    else if (!strcmp(way, "execv"))
        execv(path, argv);
    else if (!strcmp(way, "execvp"))
        execvp(name, argv);
    else if (!strcmp(way, "execvpe"))
        execvpe(name, argv, environ);
    else if (!strcmp(way, "execl"))
        execl(path, path, NULL);
    else if (!strcmp(way, "execlp"))
        execlp(name, path, NULL);
    else if (!strcmp(way, "execle"))
        execle(path, path, NULL, environ);
    else if (!strcmp(way, "fexecve"))
        fexecve(open(path, O_RDONLY), argv, environ);
    else if (!strcmp(way, "execveat"))
        execveat(AT_FDCWD, path, argv, environ, 0);
    else
        syscall(SYS_execve, path, argv, environ);
    _exit(99);
}

int main(int argc, char **argv)
{
    char *child[] = {argv[1], NULL}, *directory = strdup(argv[1]);
    int bad = 0;

    (void)argc;
    *strrchr(directory, '/') = 0;
    setenv("PATH", directory, 1); /* where execvp() finds it */
    for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const char *before = getenv("LD_PRELOAD");
        char *copy = before ? strdup(before) : NULL;
        int status;
        pid_t pid;

        printf("%s: ", ways[i]);
        fflush(stdout);
        if (!strncmp(ways[i], "posix", 5))
            pid = spawn(ways[i], argv[1], child);
        else if (!(pid = !strcmp(ways[i], "vfork") ? vfork() : fork()))
            execute(ways[i], argv[1], child);
        if (waitpid(pid, &status, 0) != pid || status)
            bad = !printf("status %x\n", status);
        if (copy && (before != getenv("LD_PRELOAD") || strcmp(copy, before) != 0))
            puts("the environment of the program itself was changed");
        free(copy);
    }
    return bad;
}
