// SPDX-License-Identifier: Apache-2.0
// SIGPROF without a handler ends a program, and its parent sees that signal.
#include "expect.h"
#include <signal.h>

int main(void)
{
    pid_t child = fork();
    if (!child) {
        burn(50);
        kill(getpid(), SIGPROF);
        burn(1000);
        _exit(0);
    }
    EXPECT(wait_for(child) == -SIGPROF);
    child = fork();
    if (!child) {
        raise(SIGPROF);
        _exit(0);
    }
    EXPECT(wait_for(child) == -SIGPROF);
    return 0;
}
