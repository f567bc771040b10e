// SPDX-License-Identifier: Apache-2.0
// A program's own SIGPROF handler gets its signals, each once, none of anybody else's, and the usual mask.
#include "expect.h"
#include <signal.h>
#include <string.h>

static volatile sig_atomic_t calls, sender, masked, usr1_masked;

static void handler(int sig, siginfo_t *info, void *context)
{
    sigset_t set;
    (void)context;
    calls += sig == SIGPROF;
    sender = info->si_pid;
    sigprocmask(SIG_BLOCK, NULL, &set);
    masked = sigismember(&set, SIGPROF);
    usr1_masked = sigismember(&set, SIGUSR1);
}

int main(void)
{
    struct sigaction action, old;
    sigset_t set;

    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaddset(&action.sa_mask, SIGUSR1);
    EXPECT(!sigaction(SIGPROF, NULL, &old) && old.sa_handler == SIG_DFL && old.sa_flags == 0);
    EXPECT(!sigaction(SIGPROF, &action, &old) && old.sa_handler == SIG_DFL);
    EXPECT(!sigaction(SIGPROF, NULL, &old) && old.sa_sigaction == handler);
    EXPECT((old.sa_flags & (SA_SIGINFO | SA_RESTART | SA_ONSTACK)) == (SA_SIGINFO | SA_RESTART));
    burn(100);
    EXPECT(calls == 0);
    for (int i = 1; i <= 10; i++) {
        raise(SIGPROF);
        EXPECT(calls == i && sender == getpid() && masked == 1 && usr1_masked == 1);
        kill(getpid(), SIGPROF);
        EXPECT(calls == i + 1);
        calls--;
        sigprocmask(SIG_BLOCK, NULL, &set);
        EXPECT(sigismember(&set, SIGPROF) == 0 && sigismember(&set, SIGUSR1) == 0);
        burn(5);
    }
    action.sa_flags |= (int)SA_RESETHAND;
    EXPECT(!sigaction(SIGPROF, &action, NULL));
    raise(SIGPROF);
    EXPECT(!sigaction(SIGPROF, NULL, &old) && old.sa_handler == SIG_DFL);
    EXPECT(signal(SIGPROF, SIG_IGN) == SIG_DFL);
    raise(SIGPROF);
    EXPECT(signal(SIGPROF, SIG_DFL) == SIG_IGN);
    return 0;
}
