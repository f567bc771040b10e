/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep, and waiting for any signal. */
#include "masked.h"

WAITING(unsigned int, sleep, (unsigned int seconds), (seconds))
WAITING_BRIEFLY(int, usleep, usleep, microseconds < BRIEF_NS / 1000, (useconds_t microseconds),
                (microseconds))
WAITING_BRIEFLY(int, nanosleep, nanosleep, wait_is_brief(time),
                (const struct timespec *time, struct timespec *left), (time, left))
WAITING_BRIEFLY(int, clock_nanosleep, clock_nanosleep, !flags && wait_is_brief(time),
                (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),
                (clock, flags, time, left))
WAITING_BRIEFLY(int, thrd_sleep, thrd_sleep, wait_is_brief(time),
                (const struct timespec *time, struct timespec *left), (time, left))
WAITING(int, pause, (void), ())
MASKED(int, sigsuspend, sigsuspend, (const sigset_t *mask), (mask), mask)
