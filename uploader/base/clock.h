/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPROF_UPLOADER_CLOCK_H
#define CPROF_UPLOADER_CLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define MS_NS     INT64_C(1000000)

/* The kernel is asked directly. libc's clock_gettime() may be replaced, if the launcher was started with a
   library that fakes the time. */
static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    syscall(SYS_clock_gettime, clock, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static inline int64_t monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* CLOCK_REALTIME at an instant of CLOCK_MONOTONIC, as that clock is set now. */
static inline int64_t realtime_of(int64_t instant_ns)
{
    return clock_ns(CLOCK_REALTIME) - (monotonic_ns() - instant_ns);
}

#endif
