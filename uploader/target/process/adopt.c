/* SPDX-License-Identifier: Apache-2.0 */
#include "adopt.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uploader/base/array.h"
#include "uploader/base/clock.h"
#include "uploader/process/proc_text.h"
#include "uploader/process/tasks.h"
#include "uploader/target/segment.h"

enum {
    STATUS_BYTES = 16384, /* of /proc/PID/status, where one line lists all groups */
    DIFFERENCE = 256, /* threads without a slot, and slots without a thread, that are looked at in a second */
    ADOPT_TICKS = 10, /* seconds after which threads are compared with slots though their numbers are equal */
};

/* A thread id as its own pid namespace numbers it: the last number of NSpid. */
static int thread_id_inside(const struct target *target, int tid)
{
    char path[64], text[STATUS_BYTES];
    int inside = 0;

    if (target->segment->header.pid == target->pid)
        return tid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)target->pid, tid);
    if (proc_read(path, text, sizeof text) > 0)
        proc_number_parse(text, "NSpid", &inside);
    return inside;
}

static uint32_t slots_taken(const struct target *target)
{
    uint32_t slots = target_used_slots(target), taken = 0;
    for (uint32_t i = 1; i <= slots; i++)
        taken += atomic_load_explicit(&target->segment->thread[i].tid, memory_order_relaxed) != 0;
    return taken;
}

static int compare_ids(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Thread ids, sorted. Empty also if there is no memory. */
struct thread_ids {
    int *id;
    size_t count, room;
};

static void thread_ids_add(struct thread_ids *ids, int id)
{
    int *grown = array_reserve(ids->id, &ids->room, ids->count, sizeof *grown);

    if (!grown)
        return;
    ids->id = grown;
    ids->id[ids->count++] = id;
}

static void thread_ids_sort(struct thread_ids *ids)
{
    if (ids->count)
        qsort(ids->id, ids->count, sizeof *ids->id, compare_ids);
}

static struct thread_ids thread_ids_of_tasks(const struct target *target, DIR *tasks)
{
    struct thread_ids ids = {0};
    struct dirent *entry;
    while ((entry = readdir(tasks))) {
        int tid = atoi(entry->d_name);
        if (tid > 0)
            tid = thread_id_inside(target, tid);
        if (tid > 0)
            thread_ids_add(&ids, tid);
    }
    thread_ids_sort(&ids);
    return ids;
}

static struct thread_ids thread_ids_of_slots(const struct target *target)
{
    uint32_t slots = target_used_slots(target);
    struct thread_ids ids = {0};
    for (uint32_t i = 1; i <= slots; i++) {
        int tid = atomic_load_explicit(&target->segment->thread[i].tid, memory_order_acquire);
        if (tid > 0)
            thread_ids_add(&ids, tid);
    }
    thread_ids_sort(&ids);
    return ids;
}

/* What only one of the two has: ids of threads without a slot, and negative ids of slots whose thread has
   ended. */
static unsigned list_difference(int id[DIFFERENCE], const struct thread_ids *tasks,
                                const struct thread_ids *slots)
{
    unsigned count = 0;
    for (size_t t = 0, s = 0; count < DIFFERENCE && (t < tasks->count || s < slots->count);) {
        int task = t < tasks->count ? tasks->id[t] : INT_MAX,
            slot = s < slots->count ? slots->id[s] : INT_MAX;
        if (task != slot)
            id[count++] = task < slot ? task : -slot;
        t += task <= slot;
        for (; s < slots->count && slots->id[s] <= task && slots->id[s] == slot; s++)
            ;
    }
    return count;
}

/* What a comparison of threads with slots has found. */
struct found {
    struct untracked_threads *untracked;
    uint32_t wanted;
};

static int64_t start_of(const struct proc_stat *stat)
{
    double tick_ns = (double)SECOND_NS / (double)sysconf(_SC_CLK_TCK);
    double age_ns = (double)clock_ns(CLOCK_BOOTTIME) - (double)stat->start * tick_ns;

    return age_ns > 0 && age_ns < 1e18 ? monotonic_ns() - (int64_t)age_ns : monotonic_ns();
}

static void find_out(struct target *target, int id, struct found *found)
{
    bool is_known = id > 0 && target->segment->header.pid == target->pid;
    struct seg_control *control = &target->segment->control;
    struct proc_stat stat = {0};

    if (is_known && task_read_stat(target->pid, id, &stat))
        return; /* it has ended */
    if (is_known && strchr("XZx", stat.letter))
        return;
    if (is_known && found->untracked->count < UNTRACKED_MOST) {
        struct untracked_thread *thread = &found->untracked->thread[found->untracked->count++];
        thread->tid = id;
        memcpy(thread->name, stat.name, sizeof thread->name);
        thread->start_ns = start_of(&stat);
    }
    if (found->wanted == LAYOUT_ADOPT || (is_known && task_is_kernels(&stat)))
        return;
    memcpy(control->adopt_name[found->wanted], stat.name, sizeof control->adopt_name[0]);
    atomic_store_explicit(&control->adopt[found->wanted++], id, memory_order_relaxed);
}

/* The process adopts threads at its next CPU sample. An idle process takes none, and the kernel's threads are
   never adopted. Until then threads without a slot are known by their ids. */
static void adopt_difference(struct target *target, DIR *directory, struct untracked_threads *untracked)
{
    struct seg_control *control = &target->segment->control;
    struct thread_ids slots = thread_ids_of_slots(target), tasks = thread_ids_of_tasks(target, directory);
    struct found found = {.untracked = untracked};
    int id[DIFFERENCE];
    unsigned count = list_difference(id, &tasks, &slots);

    for (unsigned i = 0; i < count; i++)
        find_out(target, id[i], &found);
    free(slots.id);
    free(tasks.id);
    if (!found.wanted)
        return;
    atomic_store_explicit(&control->adopt_count, found.wanted, memory_order_relaxed);
    /* Pairs with the target's acquire load: a thread that sees the new sequence sees the list. */
    atomic_fetch_add_explicit(&control->adopt_sequence, 1, memory_order_release);
}

/* The directory's link count is 2 + threads, so a process without such threads costs one stat(). As many
   threads may have come as have ended, so now and then they are compared all the same. */
static bool is_same_number(struct target *target, const char *tasks)
{
    struct stat st;

    return stat(tasks, &st) ||
           (st.st_nlink == slots_taken(target) + 2 && ++target->adopt_ticks % ADOPT_TICKS);
}

bool target_adopt(struct target *target, struct untracked_threads *found)
{
    char path[64];
    DIR *tasks;

    if (!(target_recorded(target) >> PROFILE_CPU & 1) && !target_records_threads(target))
        return false;
    snprintf(path, sizeof path, "/proc/%d/task", (int)target->pid);
    tasks = is_same_number(target, path) ? NULL : opendir(path);
    if (!tasks)
        return false;
    found->count = 0;
    adopt_difference(target, tasks, found);
    closedir(tasks);
    return true;
}
