// SPDX-License-Identifier: Apache-2.0
// twenty_waits HOW [N]: 20 waits of 50 ms each, by HOW, with as many calls that compute in the kernel for
// some ms in between; N calls that are over at once come first. "unregistered": in a thread without rseq.
// Prints in how many of the calls that compute the kernel let the thread wait after all, e.g. for a page.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WAITS = 20, MS = 50, SIZE = 32 << 20 };
static const char *how;
static int zeros, ends[2], quick, waited_in_computing;
static char *buffer;

static void *write_later(void *unused)
{
    usleep(MS * 1000);
    if (write(ends[1], "x", 1) != 1)
        exit(1);
    return unused;
}

static void wait_once(void)
{
    static const struct timespec time = {0, MS * 1000000};
    pthread_t thread;
    char byte;

    if (!strcmp(how, "nanosleep") || !strcmp(how, "unregistered")) {
        nanosleep(&time, NULL);
    } else if (!strcmp(how, "usleep")) {
        usleep(MS * 1000);
    } else if (!strcmp(how, "poll")) {
        poll(NULL, 0, MS);
    } else if (!strcmp(how, "read")) {
        pthread_create(&thread, NULL, write_later, NULL);
        if (read(ends[0], &byte, 1) != 1)
            exit(1);
        pthread_join(thread, NULL);
    } else {
        exit(2);
    }
}

__attribute__((noinline)) static void compute_in_the_kernel(void)
{
    struct iovec part = {buffer, SIZE};
    struct rusage before, after;

    getrusage(RUSAGE_THREAD, &before);
    if (readv(zeros, &part, 1) != SIZE)
        exit(1);
    getrusage(RUSAGE_THREAD, &after);
    waited_in_computing += after.ru_nvcsw != before.ru_nvcsw;
}

static void *run(void *unused)
{
    char byte;

    if (!strcmp(how, "unregistered") && __rseq_size)
        syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset,
                __rseq_size < 32 ? 32 : __rseq_size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
    for (int i = 0; i < quick; i++)
        if (read(zeros, &byte, 1) != 1)
            exit(1);
    for (int i = 0; i < WAITS; i++) {
        wait_once();
        compute_in_the_kernel();
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    how = argc > 1 ? argv[1] : "";
    quick = argc > 2 ? atoi(argv[2]) : 0;
    buffer = malloc(SIZE);
    memset(buffer, 1, SIZE);
    zeros = open("/dev/zero", O_RDONLY);
    if (pipe(ends))
        return 1;
    if (strcmp(how, "unregistered") != 0) {
        run(NULL);
    } else {
        pthread_create(&thread, NULL, run, NULL);
        pthread_join(thread, NULL);
    }
    printf("waited_in_computing %d\n", waited_in_computing);
    return 0;
}
