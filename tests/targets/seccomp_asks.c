// SPDX-License-Identifier: Apache-2.0
// Programs ask what the kernel's seccomp can do, which changes nothing: new threads are sampled as before (as
// many timers are there for them as for the first one).
#include "expect.h"
#include "timers.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void *count(void *timers)
{
    *(int *)timers = count_timers();
    return timers;
}

int main(void)
{
    unsigned action = SECCOMP_RET_ERRNO;
    pthread_t thread;
    int alone = count_timers(), two = -1;

    EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 && errno);
    syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
    EXPECT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno);
    EXPECT(!pthread_create(&thread, NULL, count, &two) && !pthread_join(thread, NULL));
    EXPECT(two == 2 * alone);
    return 0;
}
