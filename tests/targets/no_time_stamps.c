/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program may forbid itself the time stamp counter (PR_SET_TSC), and leave the handler of the SIGSEGV that
 * a reading brings by siglongjmp(), which restores the mask of before. It, its threads and its children then
 * run on for a while, allocate, wait, and get that signal from their own readings only.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"
#include "sampler/segment/ticks.h"

static sigjmp_buf before;
static volatile int caught;

static void on_fault(int sig)
{
    (void)sig;
    caught++;
    siglongjmp(before, 1);
}

/* clock() and libc's own clock_gettime() would read the counter. */
static long cpu_ms(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *take(void *unused)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    return unused;
}

static void hold_while_another_waits(void)
{
    pthread_t thread;
    pthread_mutex_lock(&lock);
    EXPECT(!pthread_create(&thread, NULL, take, NULL));
    usleep(60000);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}

static void *work(void *unused)
{
    long until = cpu_ms() + 100;
    while (cpu_ms() < until) {
        void *volatile block = malloc(100000);
        free(block);
    }
    return unused;
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_fault};
    pthread_t thread;
    int status = 0;
    pid_t child;

    sigaction(SIGSEGV, &action, NULL);
    if (!sigsetjmp(before, 1)) {
        if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV))
            return errno != EINVAL; /* arm64 before Linux 6.12 does not have it */
        ticks_read();
    }
    work(NULL);
    hold_while_another_waits();
    EXPECT(!pthread_create(&thread, NULL, work, NULL));
    pthread_join(thread, NULL);
    child = fork();
    if (!child) {
        usleep(60000); /* a wait that makes it join */
        work(NULL);
        _exit(caught);
    }
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    EXPECT(caught == 1);
    return 0;
}
