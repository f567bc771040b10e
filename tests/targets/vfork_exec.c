// SPDX-License-Identifier: Apache-2.0
// vfork children exec or _exit; the parent's signal dispositions stay what they were, whatever the child
// sets.
#include "expect.h"
#include <signal.h>

static volatile sig_atomic_t calls;
static void handler(int sig)
{
    calls += sig == SIGPROF;
}

int main(void)
{
    signal(SIGPROF, handler);
    for (int i = 0; i < 50; i++) {
        pid_t child = vfork();
        if (!child) {
            signal(SIGPROF, SIG_DFL);
            if (i % 2)
                _exit(4);
            execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
            _exit(99);
        }
        EXPECT(wait_for(child) == 4);
        burn(2);
        raise(SIGPROF);
        EXPECT(calls == i + 1);
    }
    return 0;
}
