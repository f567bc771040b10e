// SPDX-License-Identifier: Apache-2.0
// A signalfd for all signals reports the program's signals and never becomes readable by anybody else's.
#include "expect.h"
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

int main(void)
{
    struct signalfd_siginfo info;
    struct pollfd poll_fd = {.events = POLLIN};
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    poll_fd.fd = signalfd(-1, &all, 0);
    EXPECT(poll_fd.fd >= 0);
    for (int i = 0; i < 30; i++) {
        burn(10);
        EXPECT(poll(&poll_fd, 1, 0) == 0);
    }
    kill(getpid(), SIGTERM);
    EXPECT(poll(&poll_fd, 1, 1000) == 1);
    EXPECT(read(poll_fd.fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGTERM);
    return 0;
}
