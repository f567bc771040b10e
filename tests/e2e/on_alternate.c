// SPDX-License-Identifier: Apache-2.0
/* on_alternate returns|jumps: works for 1 s in 100 signal handlers on an alternate stack, called by
 * call_here(). */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static volatile long sink;
static sigjmp_buf place;
static int jumps;

static void work(int sig)
{
    struct timespec now;
    long end;
    (void)sig;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    end = now.tv_sec * 1000000000 + now.tv_nsec + 10000000;
    do {
        for (int i = 0; i < 100000; i++)
            sink += i;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while (now.tv_sec * 1000000000 + now.tv_nsec < end);
    if (jumps)
        siglongjmp(place, 1);
}

__attribute__((noinline)) static void call_here(void)
{
    if (!sigsetjmp(place, 1))
        raise(SIGUSR1);
    for (int i = 0; i < 100000; i++)
        sink += i;
}

int main(int argc, char **argv)
{
    static char memory[65536];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_flags = SA_ONSTACK};

    jumps = argc > 1 && !strcmp(argv[1], "jumps");
    action.sa_handler = work;
    sigaction(SIGUSR1, &action, 0); /* before there is a stack: it is installed again */
    sigaltstack(&stack, 0);
    for (int i = 0; i < 100; i++)
        call_here();
    return 0;
}
