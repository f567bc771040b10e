// SPDX-License-Identifier: Apache-2.0
// The older ways to set SIGPROF's disposition and mask: signal, sigset, sighold, sigignore, siginterrupt,
// sigblock.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "expect.h"
#include <signal.h>

static volatile sig_atomic_t calls;
static void handler(int sig)
{
    calls += sig == SIGPROF;
}

int main(void)
{
    struct sigaction action;
    int mask = 1 << (SIGPROF - 1);

    EXPECT(signal(SIGPROF, handler) == SIG_DFL);
    burn(20);
    EXPECT(calls == 0);
    raise(SIGPROF);
    EXPECT(calls == 1);
    EXPECT(!siginterrupt(SIGPROF, 1));
    EXPECT(!sigaction(SIGPROF, NULL, &action) && !(action.sa_flags & SA_RESTART));
    EXPECT(!siginterrupt(SIGPROF, 0));
    EXPECT(!sigaction(SIGPROF, NULL, &action) && action.sa_flags & SA_RESTART);
    EXPECT(sigset(SIGPROF, SIG_HOLD) == handler);
    raise(SIGPROF);
    EXPECT(calls == 1);
    EXPECT(sigset(SIGPROF, handler) == SIG_HOLD);
    EXPECT(calls == 2);
    EXPECT(sighold(SIGPROF) == 0 && (sigblock(0) & mask));
    raise(SIGPROF);
    EXPECT(calls == 2);
    EXPECT(sigrelse(SIGPROF) == 0 && !(sigblock(0) & mask));
    EXPECT(calls == 3);
    EXPECT(!(sigblock(mask) & mask) && (sigblock(0) & mask));
    EXPECT((sigsetmask(0) & mask) && !(sigblock(0) & mask));
    EXPECT(sigignore(SIGPROF) == 0);
    raise(SIGPROF);
    EXPECT(calls == 3);
    EXPECT(sysv_signal(SIGPROF, handler) == SIG_IGN);
    raise(SIGPROF);
    EXPECT(calls == 4);
    EXPECT(signal(SIGPROF, SIG_DFL) == SIG_DFL);
    EXPECT(signal(SIGPROF, SIG_ERR) == SIG_ERR);
    return 0;
}
