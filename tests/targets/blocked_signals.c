// SPDX-License-Identifier: Apache-2.0
// A thread that blocks all signals reads back the mask that it set; its own SIGPROF stays pending until it
// unblocks.
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

static volatile sig_atomic_t calls;
static void handler(int sig)
{
    calls += sig == SIGPROF;
}

static void expect_all_blocked(void)
{
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    for (int sig = 1; sig < 32; sig++)
        EXPECT(sigismember(&set, sig) == (sig != SIGKILL && sig != SIGSTOP));
}

static void *inherit(void *arg)
{
    (void)arg;
    expect_all_blocked();
    burn(50);
    expect_all_blocked();
    return NULL;
}

int main(void)
{
    sigset_t all, one, old, pending;
    pthread_t thread;

    signal(SIGPROF, handler);
    sigfillset(&all);
    EXPECT(!pthread_sigmask(SIG_BLOCK, &all, &old) && !sigismember(&old, SIGPROF));
    expect_all_blocked();
    EXPECT(!pthread_create(&thread, NULL, inherit, NULL) && !pthread_join(thread, NULL));
    burn(50);
    EXPECT(!sigpending(&pending) && !sigismember(&pending, SIGPROF));
    raise(SIGPROF);
    burn(20);
    EXPECT(calls == 0);
    EXPECT(!sigpending(&pending) && sigismember(&pending, SIGPROF));
    expect_all_blocked();
    raise(SIGPROF);
    EXPECT(!pthread_sigmask(SIG_SETMASK, &old, &all) && sigismember(&all, SIGPROF));
    EXPECT(calls == 1);
    EXPECT(!sigpending(&pending) && !sigismember(&pending, SIGPROF));

    sigemptyset(&one);
    sigaddset(&one, SIGPROF);
    sigprocmask(SIG_BLOCK, &one, NULL);
    burn(20);
    EXPECT(!sigpending(&pending) && !sigismember(&pending, SIGPROF));
    kill(getpid(), SIGPROF);
    EXPECT(!sigpending(&pending) && sigismember(&pending, SIGPROF) && calls == 1);
    sigprocmask(SIG_UNBLOCK, &one, &old);
    EXPECT(sigismember(&old, SIGPROF) == 1 && sigismember(&old, SIGUSR1) == 0 && calls == 2);
    return 0;
}
