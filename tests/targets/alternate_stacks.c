// SPDX-License-Identifier: Apache-2.0
// Threads that do all their work on small alternate stacks keep them intact.
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

static void on_alternate(int sig)
{
    (void)sig;
    burn(30);
}

static void *work(void *arg)
{
    size_t size = (size_t)SIGSTKSZ;
    char *memory = malloc(size + 4096);
    stack_t stack = {.ss_sp = memory + 4096, .ss_size = size};

    memset(memory, 0x5a, 4096);
    EXPECT(!sigaltstack(&stack, NULL));
    for (int i = 0; i < 5; i++)
        raise(SIGUSR1);
    for (int i = 0; i < 4096; i++)
        EXPECT(memory[i] == 0x5a);
    stack.ss_flags = SS_DISABLE;
    EXPECT(!sigaltstack(&stack, NULL));
    free(memory);
    return arg;
}

int main(void)
{
    struct sigaction action;
    pthread_t thread[4];

    memset(&action, 0, sizeof action);
    action.sa_handler = on_alternate;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 4; i++)
        EXPECT(!pthread_create(&thread[i], NULL, work, NULL));
    for (int i = 0; i < 4; i++)
        EXPECT(!pthread_join(thread[i], NULL));
    return 0;
}
