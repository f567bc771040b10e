// SPDX-License-Identifier: Apache-2.0
// A program that is started with as many descriptors as its loader needs, and one that forks with none left.
#include "expect.h"
#include <sys/resource.h>

int main(int argc, char **argv)
{
    struct rlimit four = {4, 4}, none = {0, 0};
    pid_t child;

    for (int fd = 3; fd < 100; fd++)
        close(fd);
    if (argc == 1) {
        EXPECT(!setrlimit(RLIMIT_NOFILE, &four));
        execl(argv[0], argv[0], "again", (char *)NULL);
        return 1;
    }
    burn(50);
    EXPECT(!setrlimit(RLIMIT_NOFILE, &none));
    child = fork();
    if (!child) {
        burn(50);
        _exit(9);
    }
    EXPECT(wait_for(child) == 9);
    return 0;
}
