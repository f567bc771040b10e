/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep, and waiting for any signal. */
#include "masked.h"

WAITING(unsigned int, sleep, (unsigned int seconds), (seconds))
WAITING(int, usleep, (useconds_t microseconds), (microseconds))
WAITING(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left))
WAITING(int, clock_nanosleep,
        (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),
        (clock, flags, time, left))
WAITING(int, thrd_sleep, (const struct timespec *time, struct timespec *left), (time, left))
WAITING(int, pause, (void), ())
MASKED(int, sigsuspend, sigsuspend, (const sigset_t *mask), (mask), mask)
