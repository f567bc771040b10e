// SPDX-License-Identifier: Apache-2.0
/* Signals that are pending together with a sample: one of a lower number is delivered first, so that the
 * sample's own finds its handler at the first instruction. All the work is in work_here(). */
#include <signal.h>
#include <time.h>

static volatile long sink;

__attribute__((noinline)) void on_first(int sig)
{
    sink += sig;
}

__attribute__((noinline)) void on_second(int sig, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    sink += sig;
}

__attribute__((noinline)) static void work_here(void)
{
    struct timespec now;
    long end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    end = now.tv_sec * 1000000000 + now.tv_nsec + 20000000;
    do {
        for (int i = 0; i < 100000; i++)
            sink += i;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while (now.tv_sec * 1000000000 + now.tv_nsec < end);
}

int main(void)
{
    sigset_t set;
    struct sigaction second = {.sa_flags = SA_SIGINFO | SA_NODEFER};

    second.sa_sigaction = on_second;
    signal(SIGUSR1, on_first);
    sigaction(SIGALRM, &second, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGPROF); /* by name: what comes due waits, too */
    for (int i = 0; i < 100; i++) {
        sigprocmask(SIG_BLOCK, &set, 0);
        raise(SIGUSR1);
        raise(SIGALRM);
        work_here();
        sigprocmask(SIG_UNBLOCK, &set, 0);
    }
    return 0;
}
