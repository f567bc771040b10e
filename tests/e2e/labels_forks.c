// SPDX-License-Identifier: Apache-2.0
// A child keeps what the thread that forked had, and has labels of its own that its parent never had.
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../include/cprof/cprof.h"

static void burn(double seconds)
{
    clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
    while (clock() < end)
        ;
}

int main(void)
{
    pid_t child;

    cprof_label_set("where", "parent");
    burn(0.3);
    cprof_label_set("where", "both");
    child = fork();
    if (!child) {
        burn(0.3);
        cprof_label_set("where", "child");
        burn(0.3);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return 0;
}
