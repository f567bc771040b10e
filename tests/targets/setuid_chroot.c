// SPDX-License-Identifier: Apache-2.0
// A service that goes into an empty root and gives up its rights goes on undisturbed, children included.
#include "expect.h"
#include <sys/stat.h>

int main(void)
{
    pid_t child;

    if (getuid())
        SKIP("only root can change its root directory");
    EXPECT(!mkdir("empty", 0755));
    burn(50);
    EXPECT(!chroot("empty") && !chdir("/"));
    EXPECT(!setgid(65534) && !setuid(65534));
    burn(100);
    EXPECT(getuid() == 65534 && geteuid() == 65534);
    child = fork();
    if (!child) {
        burn(100);
        _exit(7);
    }
    EXPECT(wait_for(child) == 7);
    return 0;
}
