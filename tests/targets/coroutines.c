// SPDX-License-Identifier: Apache-2.0
// Coroutines on stacks of their own (makecontext with up to eight arguments, swapcontext) switch while
// sampled.
#include "expect.h"
#include <ucontext.h>

enum { COUNT = 20, STACK = 16384 };
static ucontext_t scheduler, coroutine[COUNT];
static int done;

static void run(int a, int b, int c, int d, int e, int f, int g, int h)
{
    EXPECT(b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8);
    for (int i = 0; i < 10; i++) {
        burn(2);
        EXPECT(!swapcontext(&coroutine[a], &scheduler));
    }
    done++;
}

int main(void)
{
    for (int i = 0; i < COUNT; i++) {
        getcontext(&coroutine[i]);
        coroutine[i].uc_stack.ss_sp = malloc(STACK);
        coroutine[i].uc_stack.ss_size = STACK;
        coroutine[i].uc_link = &scheduler;
        makecontext(&coroutine[i], (void (*)(void))(void *)run, 8, i, 2, 3, 4, 5, 6, 7, 8);
    }
    for (int round = 0; round < 11; round++)
        for (int i = 0; i < COUNT; i++)
            EXPECT(!swapcontext(&scheduler, &coroutine[i]));
    EXPECT(done == COUNT);
    return 0;
}
