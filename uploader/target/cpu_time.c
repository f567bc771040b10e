/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu_time.h"

#include <errno.h>

#include "uploader/base/clock.h"

/* The kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) (include/linux/posix-timers_types.h). Any process may read any
   other's. */
static clockid_t clock_of(pid_t pid)
{
    return (clockid_t)(~(unsigned)pid << 3 | 2);
}

/* A process that ended can be asked until its parent has waited for it. After that its id may be another one's, which the
   pidfd tells: only ESRCH means that it is gone. */
static bool read_clock(const struct target *target, int64_t *ns)
{
    struct timespec now;

    if (target->pid <= 0 || target->pidfd == -1 || syscall(SYS_clock_gettime, clock_of(target->pid), &now))
        return false;
    if (syscall(SYS_pidfd_send_signal, target->pidfd, 0, NULL, 0) && errno == ESRCH)
        return false;
    *ns = now.tv_sec * SECOND_NS + now.tv_nsec;
    return true;
}

static void count(struct target *target, int64_t ns)
{
    target->cpu_counted_ns += ns;
    program_count_cpu(target->program, (uint64_t)ns);
}

void target_begin_cpu(struct target *target)
{
    read_clock(target, &target->cpu_clock_ns);
}

void target_read_cpu(struct target *target)
{
    int64_t now_ns;

    if (!read_clock(target, &now_ns) || now_ns <= target->cpu_clock_ns)
        return;
    count(target, now_ns - target->cpu_clock_ns);
    target->cpu_clock_ns = now_ns;
}

void target_end_cpu(struct target *target)
{
    int64_t now_ns;

    if (read_clock(target, &now_ns))
        target_read_cpu(target);
    else if (target->cpu_sampled_ns > target->cpu_counted_ns)
        count(target, target->cpu_sampled_ns - target->cpu_counted_ns);
}
