// SPDX-License-Identifier: Apache-2.0
// One thread waits for all signals while others, with all blocked, use the CPU: it gets the program's and no
// other. The last one's number is above SIGPROF's: of two that are pending the lower comes first.
#include "expect.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>

static void *work(void *arg)
{
    burn(300);
    return arg;
}

static void *send(void *arg)
{
    for (int i = 0; i < 5; i++) {
        usleep(20000);
        kill(getpid(), i == 4 ? SIGRTMIN : SIGPROF);
    }
    return arg;
}

int main(void)
{
    static const struct timespec moment = {0, 50000000};
    pthread_t worker, sender;
    siginfo_t info;
    sigset_t all;
    int sig, profs = 0;

    sigfillset(&all);
    sigdelset(&all, SIGCHLD);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    EXPECT(sigtimedwait(&all, &info, &moment) == -1 && errno == EAGAIN);
    pthread_create(&worker, NULL, work, NULL);
    pthread_create(&sender, NULL, send, NULL);
    do {
        EXPECT(!sigwait(&all, &sig));
        EXPECT(sig == SIGPROF || sig == SIGRTMIN);
        profs += sig == SIGPROF;
    } while (sig != SIGRTMIN);
    EXPECT(profs >= 1 && profs <= 4);
    burn(50);
    EXPECT(sigtimedwait(&all, &info, &moment) == -1 && errno == EAGAIN);
    pthread_join(worker, NULL);
    pthread_join(sender, NULL);
    raise(SIGPROF);
    EXPECT(sigwaitinfo(&all, &info) == SIGPROF && info.si_pid == getpid());
    return 0;
}
