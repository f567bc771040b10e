// SPDX-License-Identifier: Apache-2.0
// A program that leaves its signal handlers by siglongjmp, thousands of times, while it is sampled.
#include "expect.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

static sigjmp_buf jump;
static volatile sig_atomic_t armed;

static void handler(int sig)
{
    (void)sig;
    if (armed) {
        armed = 0;
        siglongjmp(jump, 1);
    }
}

int main(void)
{
    struct itimerval timer = {{0, 500}, {0, 500}};
    volatile int jumps = 0, direct = 0;

    signal(SIGALRM, handler);
    setitimer(ITIMER_REAL, &timer, NULL);
    while (jumps < 500) {
        if (sigsetjmp(jump, 1)) {
            jumps++;
            continue;
        }
        armed = 1;
        for (volatile int i = 0; armed && i < 1000000; i++)
            ;
        armed = 0;
    }
    timer = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    signal(SIGUSR1, handler);
    for (int i = 0; i < 10000; i++) {
        if (sigsetjmp(jump, 1))
            direct++;
        else {
            armed = 1;
            raise(SIGUSR1);
        }
    }
    EXPECT(direct == 10000);
    return 0;
}
