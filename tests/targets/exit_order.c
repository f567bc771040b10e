// SPDX-License-Identifier: Apache-2.0
// atfork, atexit, on_exit and destructors run in their order, with everything still working, in parent and
// child.
#include "expect.h"
#include <pthread.h>
#include <string.h>

static void say(const char *text)
{
    char *copy = strdup(text);
    burn(2);
    EXPECT(write(1, copy, strlen(copy)) == (ssize_t)strlen(copy));
    free(copy);
}
static void prepare(void)
{
    say("prepare\n");
}
static int in_parent;
static void parent(void)
{
    in_parent++; /* says nothing: the child talks at the same time */
}
static void child(void)
{
    say("child\n");
}
static void first(void)
{
    say("registered first\n");
}
static void second(void)
{
    say("registered second\n");
}
static void with_status(int status, void *arg)
{
    say(status == 5 && arg == &first ? "status 5\n" : "other status\n");
}
__attribute__((destructor)) static void destructor(void)
{
    say("destructor\n");
}

int main(void)
{
    pid_t pid;
    pthread_atfork(prepare, parent, child);
    atexit(first);
    on_exit(with_status, (void *)&first);
    atexit(second);
    pid = fork();
    if (!pid)
        exit(5);
    EXPECT(wait_for(pid) == 5 && in_parent == 1);
    for (int i = 0; i < 40; i++)
        atexit(second); /* more than libc keeps without allocating */
    exit(0);
}
