// SPDX-License-Identifier: Apache-2.0
// Threads that wait where nobody interposes, for argv[1] seconds: libc calls its own read() and wait4() for
// fgets() and system(), and one makes the system call itself. Prints "lived NS".
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waits.h"

static int ends[2];
static char command[32];
static uint32_t word;

static void *read_a_line(void *arg)
{
    char line[80];
    FILE *file = fdopen(ends[0], "r");
    return file && fgets(line, sizeof line, file) ? arg : NULL;
}

static void *run_a_command(void *arg)
{
    return system(command) ? NULL : arg;
}

static void park(void)
{
    register long timeout __asm__("r10") = 0;
    long result = SYS_futex;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(&word), "S"(FUTEX_WAIT), "d"(0), "r"(timeout)
                     : "rcx", "r11", "memory");
}

static void *park_for_good(void *arg)
{
    park();
    return arg;
}

int main(int argc, char **argv)
{
    static void *(*const run[])(void *) = {read_a_line, run_a_command, park_for_good};
    pthread_t thread[3];
    int64_t from = now_ns(CLOCK_MONOTONIC);

    snprintf(command, sizeof command, "sleep %s", argc > 1 ? argv[1] : "2");
    if (pipe(ends))
        return 1;
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, run[i], NULL);
    pthread_join(thread[1], NULL);
    printf("lived %" PRId64 "\n", now_ns(CLOCK_MONOTONIC) - from);
    fflush(stdout);
    exit(0); /* whose handlers say when, however late that is noticed */
}
