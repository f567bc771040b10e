/* SPDX-License-Identifier: Apache-2.0 */
/* Time namespaces give CLOCK_MONOTONIC an offset (Linux 5.6). */
#ifndef CPROF_UPLOADER_TIME_NAMESPACE_H
#define CPROF_UPLOADER_TIME_NAMESPACE_H

#include <stdint.h>
#include <sys/types.h>

/* Two clocks of a process, read at one instant. */
struct clock_pair {
    uint64_t monotonic_ns, realtime_ns;
};

/* CLOCK_MONOTONIC of the process minus the uploader's. pid 0: 0. If the kernel does not tell, the pair is
   compared with the uploader's own clocks. */
int64_t time_namespace_offset(pid_t pid, const struct clock_pair *its);

#endif
