/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep, and waiting for any signal. */
#include "../sampler/wait.h"
#include "hooks.h"

unsigned int sleep(unsigned int seconds)
{
    struct wait wait;
    unsigned int result;

    wait_enter(&wait, WAIT_sleep);
    result = real.sleep(seconds);
    wait_leave(&wait);
    return result;
}

int usleep(useconds_t microseconds)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_usleep);
    result = real.usleep(microseconds);
    wait_leave(&wait);
    return result;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_nanosleep);
    result = real.nanosleep(time, left);
    wait_leave(&wait);
    return result;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_clock_nanosleep);
    result = real.clock_nanosleep(clock, flags, time, left);
    wait_leave(&wait);
    return result;
}

int thrd_sleep(const struct timespec *time, struct timespec *left)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_thrd_sleep);
    result = real.thrd_sleep(time, left);
    wait_leave(&wait);
    return result;
}

int pause(void)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_pause);
    result = real.pause();
    wait_leave(&wait);
    return result;
}

int sigsuspend(const sigset_t *mask)
{
    struct wait wait;
    int result;

    wait_enter(&wait, WAIT_sigsuspend);
    result = real.sigsuspend(mask);
    wait_leave(&wait);
    return result;
}
