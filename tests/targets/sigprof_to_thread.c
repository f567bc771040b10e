// SPDX-License-Identifier: Apache-2.0
// A SIGPROF that is sent to one thread arrives, though a tick of the profiler's may wait in that thread's queue: sent
// by the thread or by another one, blocked by name, among all, or not at all, waited for or handled.
#include "expect.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

enum { ROUNDS = 5 };
static volatile sig_atomic_t handled;
static pthread_barrier_t go;
static pthread_t target;
static int by_queue;

static void on_signal(int sig)
{
    handled += sig == SIGPROF;
}

static void send_one(void)
{
    const union sigval value = {.sival_int = 4711};
    if (by_queue)
        EXPECT(!pthread_sigqueue(target, SIGPROF, value));
    else
        EXPECT(!pthread_kill(target, SIGPROF));
}

static void *send_each(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&go);
        send_one();
        pthread_barrier_wait(&go);
    }
    return arg;
}

static void expect_one(const sigset_t *only)
{
    static const struct timespec second = {5, 0}, now = {0, 0};
    siginfo_t info;
    sigset_t pending;

    EXPECT(!sigpending(&pending) && sigismember(&pending, SIGPROF));
    memset(&info, 0, sizeof info);
    EXPECT(sigtimedwait(only, &info, &second) == SIGPROF && info.si_pid == getpid() &&
           info.si_uid == getuid());
    EXPECT(by_queue ? info.si_code == SI_QUEUE && info.si_value.sival_int == 4711
                    : info.si_code == SI_TKILL || info.si_code == SI_USER);
    EXPECT(sigtimedwait(only, &info, &now) == -1 && errno == EAGAIN);
    EXPECT(!sigpending(&pending) && !sigismember(&pending, SIGPROF));
}

static void receive_each(const sigset_t *mask, int by_other)
{
    pthread_t sender;
    sigset_t only;

    sigemptyset(&only);
    sigaddset(&only, SIGPROF);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    if (by_other)
        EXPECT(!pthread_create(&sender, NULL, send_each, NULL));
    for (int i = 0; i < ROUNDS; i++) {
        burn(15);
        if (!by_other)
            send_one();
        else
            for (int both = 0; both < 2; both++)
                pthread_barrier_wait(&go);
        if (sigismember(mask, SIGPROF))
            expect_one(&only);
        else
            for (int tries = 0; !handled && tries < 1000; tries++)
                burn(1);
        EXPECT(handled == !sigismember(mask, SIGPROF));
        handled = 0;
    }
    if (by_other)
        pthread_join(sender, NULL);
}

int main(void)
{
    sigset_t none, name, all;

    sigemptyset(&none);
    sigemptyset(&name);
    sigaddset(&name, SIGPROF);
    sigfillset(&all);
    target = pthread_self();
    signal(SIGPROF, on_signal);
    pthread_barrier_init(&go, NULL, 2);
    for (by_queue = 0; by_queue < 2; by_queue++)
        for (int by_other = 0; by_other < 2; by_other++) {
            receive_each(&name, by_other);
            receive_each(&all, by_other);
            receive_each(&none, by_other);
        }
    return 0;
}
