// SPDX-License-Identifier: Apache-2.0
// Dispositions of all other signals, with full and partial masks and every flag, read back as they were set.
#include "expect.h"
#include <signal.h>
#include <string.h>

static void handler(int sig)
{
    (void)sig;
}

int main(void)
{
    static const int flags[] = {0, SA_RESTART, SA_NODEFER | SA_ONSTACK, SA_NOCLDSTOP | SA_NOCLDWAIT};
    struct sigaction action, old;

    for (int sig = 1; sig <= SIGRTMAX; sig++) {
        if (sig == SIGKILL || sig == SIGSTOP || (sig > 31 && sig < SIGRTMIN))
            continue;
        for (unsigned i = 0; i < 3 * 4; i++) {
            memset(&action, 0, sizeof action);
            action.sa_handler = handler;
            action.sa_flags = flags[i % 4];
            if (i / 4 == 1)
                sigaddset(&action.sa_mask, SIGPROF);
            if (i / 4 == 2)
                sigfillset(&action.sa_mask);
            EXPECT(!sigaction(sig, &action, NULL) && !sigaction(sig, NULL, &old));
            EXPECT(old.sa_handler == handler && (old.sa_flags & ~0x04000000) == action.sa_flags);
            for (int other = 1; other < 32; other++)
                if (other != SIGKILL && other != SIGSTOP)
                    EXPECT(sigismember(&old.sa_mask, other) == sigismember(&action.sa_mask, other));
        }
        EXPECT(signal(sig, SIG_DFL) == handler);
    }
    return 0;
}
