/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep, and waiting for any signal. */
#include "waits.h"

WAITS(unsigned int, sleep, (unsigned int seconds), (seconds))
WAITS(int, usleep, (useconds_t microseconds), (microseconds))
WAITS(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left))
WAITS(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),
      (clock, flags, time, left))
WAITS(int, thrd_sleep, (const struct timespec *time, struct timespec *left), (time, left))
WAITS(int, pause, (void), ())
WAITS(int, sigsuspend, (const sigset_t *mask), (mask))
