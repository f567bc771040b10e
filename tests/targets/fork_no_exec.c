// SPDX-License-Identifier: Apache-2.0
// Forked workers that never exec work, exit and are killed as their parent expects; no other child appears.
#include "expect.h"
#include <errno.h>
#include <signal.h>

static volatile sig_atomic_t ended;
static void on_child(int sig)
{
    (void)sig;
    ended++;
}

int main(void)
{
    pid_t child[8];

    signal(SIGCHLD, on_child);
    burn(50);
    EXPECT(ended == 0);
    for (int i = 0; i < 8; i++) {
        child[i] = fork();
        if (!child[i]) {
            burn(50);
            if (i == 7)
                kill(getpid(), SIGKILL);
            pid_t grandchild = fork();
            if (!grandchild) {
                burn(20);
                _exit(i + 1);
            }
            _exit(wait_for(grandchild));
        }
    }
    for (int i = 0; i < 8; i++)
        EXPECT(wait_for(child[i]) == (i == 7 ? -SIGKILL : i + 1));
    EXPECT(wait(NULL) == -1 && errno == ECHILD);
    EXPECT(ended >= 1 && ended <= 8);
    return 0;
}
