// SPDX-License-Identifier: Apache-2.0
// A SIGPROF of the program's own, sent while it is blocked, is handled in the first call that waits with a
// mask without it, whether the thread blocks all signals or SIGPROF alone, and before or after the handler
// was set. Nothing else ends such a call, nor a wait for SIGPROF: not after the thread has used CPU time
// either.
#include "expect.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

static volatile sig_atomic_t got;
static sigset_t none, all, only;
static const struct timespec moment = {0, 20000000};

static void on_signal(int sig)
{
    got += sig == SIGPROF;
}

static int by_ppoll(const struct timespec *time)
{
    return ppoll(NULL, 0, time, &none);
}

static int by_pselect(const struct timespec *time)
{
    return pselect(0, NULL, NULL, NULL, time, &none);
}

static int by_epoll_pwait(const struct timespec *time)
{
    struct epoll_event event;
    int fd = epoll_create1(0), result = epoll_pwait(fd, &event, 1, time ? 20 : -1, &none), error = errno;
    close(fd);
    errno = error;
    return result;
}

static int by_epoll_pwait2(const struct timespec *time)
{
    struct epoll_event event;
    int fd = epoll_create1(0), result = syscall(441, fd, &event, 1, time, &none, 8), error = errno;
    close(fd);
    errno = error;
    return result < 0 && error == ENOSYS ? by_ppoll(time) : result;
}

static int by_number(const struct timespec *time)
{
    struct timespec copy = time ? *time : moment;
    return (int)syscall(SYS_ppoll, NULL, 0, time ? &copy : NULL, &none, 8);
}

static int by_sigsuspend(const struct timespec *time)
{
    return time ? 0 : sigsuspend(&none);
}

typedef int call(const struct timespec *time);
static call *const calls[] = {by_ppoll,        by_pselect, by_epoll_pwait,
                              by_epoll_pwait2, by_number,  by_sigsuspend};

static void *wait_in_each(void *mask)
{
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        burn(20);
        EXPECT(calls[i](&moment) == 0);
        got = 0;
        burn(10);
        raise(SIGPROF);
        burn(10);
        EXPECT(!got);
        EXPECT(calls[i](NULL) == -1 && errno == EINTR && got == 1);
        kill(getpid(), SIGPROF);
        EXPECT(calls[i](NULL) == -1 && errno == EINTR && got == 2);
    }
    return NULL;
}

/* A wait for the signal itself. */
static void *wait_for_it(void *mask)
{
    struct timespec start, end;
    siginfo_t info;

    pthread_sigmask(SIG_SETMASK, mask, NULL);
    for (int i = 0; i < 3; i++) {
        burn(20);
        clock_gettime(CLOCK_MONOTONIC, &start);
        EXPECT(sigtimedwait(&only, &info, &moment) == -1 && errno == EAGAIN);
        clock_gettime(CLOCK_MONOTONIC, &end);
        EXPECT((end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec - start.tv_nsec >= moment.tv_nsec);
        burn(20);
        raise(SIGPROF);
        EXPECT(sigwaitinfo(&only, &info) == SIGPROF && info.si_code != SI_TIMER);
    }
    return NULL;
}

static void in_thread(void *(*function)(void *), sigset_t *mask)
{
    pthread_t thread;
    EXPECT(!pthread_create(&thread, NULL, function, mask) && !pthread_join(thread, NULL));
}

int main(void)
{
    sigset_t old;

    sigfillset(&all);
    sigemptyset(&none);
    sigemptyset(&only);
    sigaddset(&only, SIGPROF);
    sigprocmask(SIG_SETMASK, &all, &old); /* so that what kill() sends goes to the thread that waits */
    signal(SIGPROF, on_signal);
    in_thread(wait_in_each, &all);
    in_thread(wait_in_each, &only);
    in_thread(wait_for_it, &all);
    in_thread(wait_for_it, &only);
    EXPECT(!sigprocmask(SIG_SETMASK, &old, &all) && sigismember(&all, SIGPROF));
    return 0;
}
