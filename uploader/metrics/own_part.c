/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include "parts.h"
#include "uploader/base/clock.h"
#include "uploader/process/proc_text.h"
#include "uploader/process/tasks.h"

enum { STATUS_SIZE = 4096, STATM_SIZE = 256 };

static void write_bytes(struct metric_text *text, enum metric metric, uint64_t pages)
{
    metric_begin(text, metric);
    metric_count(text, NULL, pages * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void write_memory(struct metric_text *text)
{
    unsigned long long size, resident;
    char statm[STATM_SIZE];

    if (proc_read("/proc/self/statm", statm, sizeof statm) <= 0 ||
        sscanf(statm, "%llu %llu", &size, &resident) != 2)
        return;
    write_bytes(text, METRIC_OWN_RESIDENT, resident);
    write_bytes(text, METRIC_OWN_VIRTUAL, size);
}

static void write_threads(struct metric_text *text)
{
    char status[STATUS_SIZE];
    int threads;

    if (proc_read("/proc/self/status", status, sizeof status) <= 0 ||
        !proc_number_parse(status, "Threads", &threads) || threads <= 0)
        return;
    metric_begin(text, METRIC_OWN_THREADS);
    metric_count(text, NULL, (uint64_t)threads);
}

/* The kernel counts from the boot. Kept, because it would seem to move when the clock is set, and the uploader to have been
   started again. */
static int64_t start_ns(void)
{
    static int64_t start;
    const int64_t hz = sysconf(_SC_CLK_TCK);
    struct proc_stat stat;

    if (!start && hz > 0 && !task_read_stat(getpid(), getpid(), &stat))
        start = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME) +
                (int64_t)(stat.start * (uint64_t)(SECOND_NS / hz));
    return start;
}

static void write_start(struct metric_text *text)
{
    if (!start_ns())
        return;
    metric_begin(text, METRIC_OWN_START);
    metric_seconds(text, NULL, (uint64_t)start_ns());
}

static void write_descriptors(struct metric_text *text)
{
    DIR *directory = opendir("/proc/self/fd");
    struct rlimit limit;
    uint64_t count = 0;

    while (directory && readdir(directory))
        count++;
    if (directory) {
        closedir(directory);
        metric_begin(text, METRIC_OWN_FDS);
        metric_count(text, NULL, count - 3); /* without ".", ".." and the directory's own */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return;
    metric_begin(text, METRIC_OWN_MAX_FDS);
    metric_count(text, NULL, limit.rlim_cur);
}

void metrics_write_own(struct metric_text *text)
{
    metric_begin(text, METRIC_OWN_CPU);
    metric_seconds(text, NULL, (uint64_t)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
    write_memory(text);
    write_threads(text);
    write_start(text);
    write_descriptors(text);
}
