// SPDX-License-Identifier: Apache-2.0
// delayed_family: forks a child after 0.8 s that computes until 3 s after the program's start, and then executes itself,
// which computes for 1 s. Prints the CPU time of both in ns: of the child what it used later than 1.5 s after the start.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "waits.h"

__attribute__((noinline)) static void in_child(int64_t until)
{
    while (now_ns(CLOCK_MONOTONIC) < until)
        ;
}

__attribute__((noinline)) static void in_executed(int64_t until)
{
    while (now_ns(CLOCK_MONOTONIC) < until)
        ;
}

int main(int argc, char **argv)
{
    int64_t start = now_ns(CLOCK_MONOTONIC), at_delay;

    if (argc > 1) {
        in_executed(start + 1000000000);
        printf("executed %lld\n", (long long)now_ns(CLOCK_PROCESS_CPUTIME_ID) - atoll(argv[1]));
        return 0;
    }
    rest(800000000);
    if (!fork()) {
        char used[32];
        in_child(start + 1500000000);
        at_delay = now_ns(CLOCK_PROCESS_CPUTIME_ID);
        in_child(start + 3000000000);
        printf("child_late %lld\n", (long long)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - at_delay));
        fflush(stdout);
        snprintf(used, sizeof used, "%lld", (long long)now_ns(CLOCK_PROCESS_CPUTIME_ID));
        execl("/proc/self/exe", argv[0], used, NULL);
        _exit(1);
    }
    wait(NULL);
    return 0;
}
