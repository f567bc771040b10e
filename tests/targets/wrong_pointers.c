// SPDX-License-Identifier: Apache-2.0
// What the kernel refuses with EFAULT it refuses here, too: nothing is read or written there by anybody else.
#include "expect.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define EXPECT_FAULT(call) EXPECT((call) == -1 && errno == EFAULT)

static void in_a_child(void *wrong)
{
    EXPECT_FAULT(nanosleep(wrong, NULL));
    EXPECT(clock_nanosleep(CLOCK_MONOTONIC, 0, wrong, NULL) == EFAULT);
}

static void signals(void *wrong)
{
    sigset_t none;
    sigemptyset(&none);
    EXPECT_FAULT(sigaltstack(wrong, NULL));
    EXPECT_FAULT(sigaltstack(NULL, wrong));
    EXPECT_FAULT(sigprocmask(SIG_BLOCK, NULL, wrong));
    EXPECT_FAULT(sigprocmask(SIG_BLOCK, &none, wrong));
    EXPECT(pthread_sigmask(SIG_BLOCK, &none, wrong) == EFAULT);
    EXPECT_FAULT(sigsuspend(wrong));
    EXPECT_FAULT(sigtimedwait(wrong, NULL, NULL));
    EXPECT_FAULT(syscall(SYS_rt_sigaction, SIGUSR1, wrong, NULL, 8));
    EXPECT_FAULT(syscall(SYS_rt_sigaction, SIGUSR1, NULL, wrong, 8));
    EXPECT_FAULT(syscall(SYS_rt_sigsuspend, wrong, 8));
}

static void waits(void *wrong)
{
    static const struct timespec now;
    struct epoll_event event;
    int fd = epoll_create1(0);
    EXPECT_FAULT(ppoll(NULL, 0, &now, wrong));
    EXPECT_FAULT(epoll_pwait(fd, &event, 1, 0, wrong));
    EXPECT_FAULT(syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, wrong));
    EXPECT_FAULT(syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, ((uintptr_t[]){(uintptr_t)wrong, 8})));
    EXPECT_FAULT(syscall(SYS_futex, wrong, 0, 0, NULL));
    EXPECT_FAULT(prctl(PR_SET_SECCOMP, 2, wrong));
    close(fd);
}

int main(void)
{
    volatile uintptr_t nowhere = 16;
    void *wrong = (void *)nowhere;
    pid_t child = fork();

    if (!child) {
        in_a_child(wrong);
        _exit(0);
    }
    EXPECT(wait_for(child) == 0);
    signals(wrong);
    waits(wrong);
    return 0;
}
