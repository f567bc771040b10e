// SPDX-License-Identifier: Apache-2.0
// A program's own ITIMER_PROF profiler gets its ticks, and nothing else, through its own handler.
#include "expect.h"
#include <signal.h>
#include <string.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks, others;
static void handler(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    if (info->si_code == SI_KERNEL)
        ticks++;
    else
        others++;
}

int main(void)
{
    struct itimerval timer = {{0, 10000}, {0, 10000}}, old;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGPROF, &action, NULL);
    EXPECT(!setitimer(ITIMER_PROF, &timer, &old) && old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
    burn(500);
    EXPECT(!getitimer(ITIMER_PROF, &old) && old.it_interval.tv_usec == 10000);
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_PROF, &timer, NULL);
    EXPECT(others == 0);
    EXPECT(ticks >= 10 && ticks <= 75);
    return 0;
}
