// SPDX-License-Identifier: Apache-2.0
// A thread that is not the main one replaces the program while others run; the new one has one thread and its
// arguments.
#include "expect.h"
#include <dirent.h>
#include <pthread.h>
#include <string.h>

static char *self;

static void *busy(void *arg)
{
    for (;;)
        burn(10);
    return arg;
}

static void *replace(void *arg)
{
    burn(50);
    execl(self, self, "again", "1", "2", "3", "4", "5", "6", "7", (char *)NULL);
    _exit(99);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc > 1) {
        EXPECT(argc == 9 && !strcmp(argv[1], "again") && !strcmp(argv[8], "7"));
        burn(50);
        return 0;
    }
    self = argv[0];
    pthread_create(&thread, NULL, busy, NULL);
    pthread_create(&thread, NULL, replace, NULL);
    for (;;)
        burn(10);
}
