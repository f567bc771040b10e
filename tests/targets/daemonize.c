// SPDX-License-Identifier: Apache-2.0
// daemon() and double fork: the daemon works in / with its descriptors on /dev/null, and the first parent
// ends at once.
#include "expect.h"
#include <fcntl.h>
#include <string.h>

int main(void)
{
    int ends[2];
    char text[64];
    ssize_t size;
    pid_t child;

    EXPECT(!pipe(ends));
    child = fork();
    if (!child) {
        close(ends[0]);
        EXPECT(!daemon(0, 0));
        burn(100);
        EXPECT(getsid(0) != 0 && getcwd(text, sizeof text) && !strcmp(text, "/"));
        EXPECT(write(ends[1], "daemon", 6) == 6);
        _exit(0);
    }
    close(ends[1]);
    EXPECT(wait_for(child) == 0);
    size = read(ends[0], text, sizeof text);
    EXPECT(size == 6 && !memcmp(text, "daemon", 6));
    EXPECT(read(ends[0], text, sizeof text) == 0); /* nobody else holds the pipe */
    return 0;
}
