// SPDX-License-Identifier: Apache-2.0
// A blocked mask, an ignored SIGPROF and a handled one reach an executed and a spawned program as they
// should.
#include "expect.h"
#include <signal.h>
#include <spawn.h>
#include <string.h>

extern char **environ;

/* As the new program: exit status tells what it found: 1 blocked, 2 ignored, 4 anything else than default. */
static int look(void)
{
    struct sigaction action;
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    sigaction(SIGPROF, NULL, &action);
    return sigismember(&set, SIGPROF) + 2 * (action.sa_handler == SIG_IGN) +
           4 * (action.sa_handler != SIG_IGN && action.sa_handler != SIG_DFL);
}

static void handler(int sig)
{
    (void)sig;
}

static int run(char *path, int way, int block, void (*disposition)(int))
{
    char *argv[] = {path, (char *)"look", NULL};
    sigset_t all, old;
    pid_t child;
    int status;

    signal(SIGPROF, disposition);
    sigfillset(&all);
    sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &all, &old);
    if (way == 0) {
        child = fork();
        if (!child) {
            execl(path, path, "look", (char *)NULL);
            _exit(99);
        }
    } else if (way == 1) {
        child = vfork();
        if (!child) {
            execv(path, argv);
            _exit(99);
        }
    } else {
        EXPECT(!posix_spawn(&child, path, NULL, NULL, argv, environ));
    }
    status = wait_for(child);
    sigprocmask(SIG_SETMASK, NULL, &all);
    EXPECT(sigismember(&all, SIGPROF) == block);
    EXPECT(signal(SIGPROF, SIG_DFL) == disposition);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return status;
}

int main(int argc, char **argv)
{
    char *missing[] = {(char *)"/does/not/exist", NULL};
    if (argc > 1)
        return look();
    for (int way = 0; way < 3; way++) {
        EXPECT(run(argv[0], way, 0, SIG_DFL) == 0);
        EXPECT(run(argv[0], way, 1, SIG_DFL) == 1);
        EXPECT(run(argv[0], way, 0, SIG_IGN) == 2);
        EXPECT(run(argv[0], way, 1, SIG_IGN) == 3);
        EXPECT(run(argv[0], way, 0, handler) == 0);
    }
    signal(SIGPROF, SIG_IGN);
    EXPECT(execv(missing[0], missing) == -1);
    raise(SIGPROF);
    burn(20);
    EXPECT(signal(SIGPROF, SIG_DFL) == SIG_IGN);
    return 0;
}
