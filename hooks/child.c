/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for child processes. */
#include "../sampler/wait.h"
#include "hooks.h"

pid_t wait(int *status)
{
    struct wait around;
    pid_t result;

    wait_enter(&around, WAIT_wait);
    result = real.wait(status);
    wait_leave(&around);
    return result;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    struct wait wait;
    pid_t result;

    wait_enter(&wait, WAIT_waitpid);
    result = real.waitpid(pid, status, options);
    wait_leave(&wait);
    return result;
}

pid_t wait3(int *status, int options, struct rusage *usage)
{
    struct wait wait;
    pid_t result;

    wait_enter(&wait, WAIT_wait3);
    result = real.wait3(status, options, usage);
    wait_leave(&wait);
    return result;
}

pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    struct wait wait;
    pid_t result;

    wait_enter(&wait, WAIT_wait4);
    result = real.wait4(pid, status, options, usage);
    wait_leave(&wait);
    return result;
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_waitid);
    result = real.waitid(type, id, info, options);
    wait_leave(&wait);
    return result;
}
