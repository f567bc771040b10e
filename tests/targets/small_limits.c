// SPDX-License-Identifier: Apache-2.0
// Started with no descriptor, address space, pending signal or file size to spare, a program runs as it would
// have.
#include "expect.h"
#include <string.h>
#include <sys/resource.h>

static const struct {
    int limit;
    rlim_t value;
} cases[] = {
    {RLIMIT_AS, 40 << 20},  {RLIMIT_SIGPENDING, 0}, {RLIMIT_FSIZE, 0},
    {RLIMIT_DATA, 4 << 20}, {RLIMIT_NPROC, 1},
};

/* A program cannot be loaded with less than four descriptors: the limit comes down when it runs. */
static int as_new_program(void)
{
    struct rlimit none = {0, 0};
    burn(20);
    EXPECT(!setrlimit(RLIMIT_NOFILE, &none));
    burn(50);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return as_new_program();
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rlimit limit = {cases[i].value, cases[i].value};
        pid_t child = fork();
        if (!child) {
            EXPECT(!setrlimit((__rlimit_resource_t)cases[i].limit, &limit));
            execl(argv[0], argv[0], "again", (char *)NULL);
            _exit(99);
        }
        EXPECT(wait_for(child) == 0);
    }
    return 0;
}
