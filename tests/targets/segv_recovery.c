// SPDX-License-Identifier: Apache-2.0
// A program that recovers from its own segmentation faults on an alternate stack finds each fault's address.
#include "expect.h"
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf jump;
static void *volatile fault;

static void handler(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    fault = info->si_addr;
    siglongjmp(jump, 1);
}

int main(void)
{
    static char alternate[32768];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, now;
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    EXPECT(!sigaltstack(&stack, NULL) && !sigaction(SIGSEGV, &action, NULL));
    for (int i = 0; i < 2000; i++) {
        if (!sigsetjmp(jump, 1)) {
            *(volatile char *)(page + i) = 1;
            EXPECT(!"reached");
        }
        EXPECT(fault == page + i);
        if (i % 100 == 0)
            burn(2);
    }
    EXPECT(!sigaltstack(NULL, &now) && now.ss_sp == alternate && now.ss_size == sizeof alternate);
    return 0;
}
