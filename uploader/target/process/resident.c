/* SPDX-License-Identifier: Apache-2.0 */
#include "resident.h"

#include <stdio.h>
#include <sys/stat.h>

#include "uploader/base/clock.h"
#include "uploader/process/proc_text.h"
#include "uploader/process/tasks.h"
#include "uploader/target/cpu_time.h"
#include "uploader/target/drain.h"

enum { GAP_MOST_S = 8, STATUS_SIZE = 4096 };

static int64_t bytes_of(const char *status, const char *name)
{
    int kib;
    return proc_number_parse(status, name, &kib) && kib > 0 ? (int64_t)kib * 1024 : 0;
}

/* false: the process is gone, or has given up its memory. */
static bool read_status(const struct target *target, struct resident *resident)
{
    pid_t tid = target->pid ? task_living(target->pid, target->pid) : 0;
    char path[64], text[STATUS_SIZE];
    int threads;

    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)target->pid, (int)tid);
    if (!tid || proc_read(path, text, sizeof text) <= 0)
        return false;
    *resident = (struct resident){
        bytes_of(text, "RssAnon"), bytes_of(text, "RssFile"), bytes_of(text, "RssShmem"), 0, 0, 0, 0, 0};
    if (proc_number_parse(text, "Threads", &threads) && threads > 0)
        resident->threads = threads;
    return resident->anonymous;
}

/* The segment is shared memory of the process, as far as it has pages. */
static int64_t segment_size(const struct target *target, int64_t shared)
{
    struct stat st;
    int64_t size = fstat(target->memfd, &st) ? 0 : (int64_t)st.st_blocks * 512;
    return size < shared ? size : shared;
}

static void add_live(struct target *target, const struct seg_live *live, void *context)
{
    struct resident *resident = context;
    uint64_t space;

    (void)target;
    if (__builtin_mul_overflow(live->size, live->objects, &space))
        return;
    space >>= WEIGHT_SHIFT;
    if (space >> 44 || live->objects >> 48) /* no program has so much; a hostile segment may say so */
        return;
    if (atomic_load_explicit(&live->address, memory_order_relaxed) & 1)
        resident->mapped += (int64_t)space;
    else
        resident->blocks += (int64_t)space;
    resident->objects += (int64_t)live->objects; /* times 2^WEIGHT_SHIFT until all are added */
}

void target_read_resident(struct target *target, int64_t now_ns)
{
    struct resident now;

    if (now_ns < target->next_resident_ns)
        return;
    target->resident_gap_ns = target->resident_gap_ns ? 2 * target->resident_gap_ns : SECOND_NS;
    if (target->resident_gap_ns > GAP_MOST_S * SECOND_NS)
        target->resident_gap_ns = GAP_MOST_S * SECOND_NS;
    target->next_resident_ns = now_ns + target->resident_gap_ns;
    target_read_cpu(target);
    if (!read_status(target, &now))
        return;
    now.own = segment_size(target, now.shared);
    now.shared -= now.own;
    drain_each_live(target, add_live, &now);
    now.objects >>= WEIGHT_SHIFT;
    program_change_resident(target->program, &target->resident, &now);
    target->resident = now;
}
