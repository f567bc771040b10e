// SPDX-License-Identifier: Apache-2.0
// Returning from a handler, siglongjmp and swapcontext restore the mask that was saved, SIGPROF's bit
// included.
#include "expect.h"
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

static sigjmp_buf jump;
static sigset_t all;

static int blocked(void)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, SIGPROF);
}

static void block_all(int sig)
{
    (void)sig;
    sigprocmask(SIG_BLOCK, &all, NULL);
}

static void block_and_jump(int sig)
{
    (void)sig;
    sigprocmask(SIG_BLOCK, &all, NULL);
    siglongjmp(jump, 1);
}

static void masked_by_action(int sig)
{
    (void)sig;
    EXPECT(blocked() == 1);
    burn(10);
}

static ucontext_t main_context, other;
static void in_context(void)
{
    sigprocmask(SIG_BLOCK, &all, NULL);
    swapcontext(&other, &main_context);
    EXPECT(blocked() == 1);
    swapcontext(&other, &main_context);
}

int main(void)
{
    static char stack[65536];
    struct sigaction action, old;

    sigfillset(&all);
    signal(SIGUSR1, block_all);
    raise(SIGUSR1);
    EXPECT(blocked() == 0);
    signal(SIGUSR1, block_and_jump);
    if (!sigsetjmp(jump, 1))
        raise(SIGUSR1);
    EXPECT(blocked() == 0);

    memset(&action, 0, sizeof action);
    action.sa_handler = masked_by_action;
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    EXPECT(!sigaction(SIGUSR1, NULL, &old) && sigismember(&old.sa_mask, SIGPROF) == 1);
    raise(SIGUSR1);
    EXPECT(blocked() == 0);

    getcontext(&other);
    other.uc_stack.ss_sp = stack;
    other.uc_stack.ss_size = sizeof stack;
    other.uc_link = NULL;
    makecontext(&other, in_context, 0);
    swapcontext(&main_context, &other);
    EXPECT(blocked() == 0);
    swapcontext(&main_context, &other);
    EXPECT(blocked() == 0);

    signal(SIGPROF, block_and_jump);
    if (!sigsetjmp(jump, 1))
        raise(SIGPROF);
    EXPECT(blocked() == 0);
    if (!sigsetjmp(jump, 1))
        raise(SIGPROF);
    EXPECT(blocked() == 0);
    return 0;
}
