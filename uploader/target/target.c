/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/handover/keeper.h"
#include "uploader/base/options.h"
#include "uploader/process/proc_text.h"
#include "uploader/process/tasks.h"

enum {
    WARM_MS = 50,         /* most time spent on names ahead of a round, per target and second */
    STATUS_BYTES = 16384, /* of /proc/PID/status: a line of it lists all groups */
    DIFFERENCE = 256, /* threads without a slot, and slots without a thread, that are looked at in a second */
    ADOPT_TICKS = 10, /* seconds after which threads are compared with slots though their numbers are equal */
};

/* A file that may shrink would kill us with SIGBUS; hence the seals. */
static const char *segment_map(struct target *target)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    struct statfs system;
    struct stat st;
    int present = fcntl(target->memfd, F_GET_SEALS);

    /* Asked first: only memory has seals, and what is behind any other file may answer late or never. */
    if (present == -1 || (present & seals) != seals)
        return "its segment is not sealed against resizing";
    if (fstatfs(target->memfd, &system) || system.f_type != TMPFS_MAGIC)
        return "its segment is made of huge pages, of which there may be none left";
    if (fstat(target->memfd, &st) || st.st_size != sizeof(struct segment))
        return "its segment has another size";
    target->segment =
        mmap(NULL, sizeof(struct segment), PROT_READ | PROT_WRITE, MAP_SHARED, target->memfd, 0);
    if (target->segment == MAP_FAILED) {
        target->segment = NULL;
        return "its segment cannot be mapped";
    }
    if (target->segment->header.magic != LAYOUT_MAGIC ||
        target->segment->header.size != sizeof(struct segment))
        return "its segment is none of cprof's";
    if (target->segment->header.version != LAYOUT_VERSION)
        return "its libcprof.so is of another version";
    return NULL;
}

static pid_t living(const struct target *target)
{
    return target->pid ? task_living(target->pid, target->pid) : 0;
}

/* The file may lie where the process's user answers who opens it: that is for owner.c. */
static int open_executable(const struct owner *owner, const char *path)
{
    int place, fd;

    if (owner->trusted)
        return open(path, O_RDONLY | O_CLOEXEC);
    place = open(path, O_PATH | O_CLOEXEC);
    fd = place == -1 ? -1 : owner_open(owner, place, "");
    if (place != -1)
        close(place);
    return fd < 0 ? -1 : fd;
}

/* Kept open: the process's own view of its files outlives the process. */
void target_open_files(struct join *join)
{
    pid_t tid = join->pid && !join->has_files ? task_living(join->pid, join->pid) : 0;
    struct owner owner;
    char path[64];

    if (join->has_files)
        return;
    join->has_files = true;
    owner_begin(&owner, join->uid);
    owner_read(&owner, join->pid, tid);
    snprintf(path, sizeof path, "/proc/%d/task/%d/root", (int)join->pid, (int)tid);
    join->root_fd = tid ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    snprintf(path, sizeof path, "/proc/%d/task/%d/exe", (int)join->pid, (int)tid);
    join->exe_fd = tid ? open_executable(&owner, path) : -1;
}

/* A copy that the target cannot change any more, NUL-terminated wherever the original is not. */
static void take_bytes(char *to, const char *from, size_t size)
{
    memcpy(to, from, size);
    to[size] = 0;
}

static int64_t rate_of(_Atomic uint64_t *rate)
{
    return (int64_t)(atomic_load_explicit(rate, memory_order_relaxed) & INT64_MAX);
}

static void take_periods(struct target *target)
{
    struct seg_control *control = &target->segment->control;
    int64_t *period = target->program->period;

    period[KIND_ID_CPU] = atomic_load_explicit(&control->cpu_period_ns, memory_order_relaxed);
    period[KIND_ID_MEMORY] = rate_of(&control->memory_rate);
    period[KIND_ID_MUTEX] = rate_of(&control->mutex_fraction);
    period[KIND_ID_BLOCK] = rate_of(&control->block_rate_ns);
    period[KIND_ID_WALL] = period[KIND_ID_OFF_CPU] = target->programs->look_ns;
    period[KIND_ID_THREADS] = period[KIND_ID_THREADCREATE] = 1;
}

static int program_find(struct target *target)
{
    const struct seg_header *header = &target->segment->header;
    char name[sizeof header->program + 1], service[sizeof header->name + 1],
        labels[sizeof header->labels + 1];

    take_bytes(name, header->program, sizeof header->program);
    take_bytes(service, header->name, sizeof header->name);
    take_bytes(labels, header->labels, sizeof header->labels);
    target->program = programs_get(target->programs, name, service, labels);
    if (!target->program || program_enter(target->program, target->pid, wall_until(target->wall)))
        return -ENOMEM;
    take_periods(target);
    return 0;
}

/* Threads' time counts from the process's start, or from where another uploader ended: what CPU time it has
   not acknowledged is of the same span. */
static int64_t wall_since(const struct target *target)
{
    int64_t now_ns = monotonic_ns(), since;
    uint64_t start_ns = target->segment->header.start_monotonic_ns;
    uint64_t acked_ns = atomic_load_explicit(&target->segment->control.wall_acked_ns, memory_order_relaxed);
    uint64_t since_ns = acked_ns > start_ns ? acked_ns : start_ns;

    since = target_time(target, since_ns);
    return !since_ns || since > now_ns ? now_ns : since;
}

/* The merged profiles of a process that another uploader had before reach back to its start. */
static void take_start(struct target *target)
{
    int64_t start_ns = target_time(target, target->segment->header.start_monotonic_ns);

    if (target->resumed && start_ns > 0 && start_ns < target->program->start_ns)
        target->program->start_ns = start_ns;
}

/* The addresses of code and stack, which an exec of the same file changes, too. */
static void read_places(pid_t pid, pid_t tid, struct image_id *image)
{
    struct proc_stat stat;

    if (task_read_stat(pid, tid, &stat))
        return;
    image->code = stat.code;
    image->stack = stat.stack;
}

static struct image_id image_of(pid_t pid)
{
    struct image_id image = {0};
    pid_t tid = pid ? task_living(pid, pid) : 0;
    struct statx st;
    char path[64];

    if (!tid)
        return image;
    snprintf(path, sizeof path, "/proc/%d/task/%d/exe", (int)pid, (int)tid);
    /* Without asking the file system, which may be one that hangs. */
    if (!statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &st)) {
        image.device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
        image.inode = st.stx_ino;
    }
    read_places(pid, tid, &image);
    return image;
}

static bool differs(uint64_t was, uint64_t is)
{
    return was > 1 && is > 1 && was != is;
}

bool target_is_replaced(const struct target *target)
{
    struct image_id now = image_of(target->pid);

    return differs(target->image.inode, now.inode) ||
           (target->image.inode && now.inode && target->image.device != now.device) ||
           differs(target->image.code, now.code) || differs(target->image.stack, now.stack);
}

/* Of the time namespaces of two processes, by the files that tell. false: not known. */
static bool same_namespace(pid_t pid, const char *name, const char *other_pid, const char *other)
{
    char path[64], other_path[64];
    struct stat st, other_st;

    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name);
    snprintf(other_path, sizeof other_path, "/proc/%s/ns/%s", other_pid, other);
    return !stat(path, &st) && !stat(other_path, &other_st) && st.st_ino == other_st.st_ino &&
           st.st_dev == other_st.st_dev;
}

/* What CLOCK_MONOTONIC of the process's children is set off by, against the machine's; -1: not told. */
static int read_offset(const char *pid, int64_t *ns)
{
    char path[64];
    long long seconds, rest;
    FILE *file;
    int fields;

    snprintf(path, sizeof path, "/proc/%s/timens_offsets", pid);
    file = fopen(path, "re");
    if (!file)
        return -1;
    fields = fscanf(file, "monotonic %lld %lld", &seconds, &rest);
    fclose(file);
    if (fields != 2 || seconds < -INT64_MAX / SECOND_NS / 2 || seconds > INT64_MAX / SECOND_NS / 2)
        return -1;
    *ns = seconds * SECOND_NS + rest;
    return 0;
}

/* A time namespace sets CLOCK_MONOTONIC off (Linux 5.6). The process's offsets are shown as those of its
   children, which are in another one if it has made one since; then its two clocks, which it read at one
   instant, are compared with ours. */
static int64_t clock_offset(const struct target *target)
{
    const struct seg_header *header = &target->segment->header;
    char pid[16], self[] = "self";
    int64_t its_ns, our_ns;

    snprintf(pid, sizeof pid, "%d", (int)target->pid);
    if (!target->pid || same_namespace(target->pid, "time", self, "time") ||
        !same_namespace(target->pid, "time", pid, "time"))
        return 0;
    if (same_namespace(target->pid, "time", pid, "time_for_children") && !read_offset(pid, &its_ns) &&
        !read_offset(self, &our_ns))
        return its_ns - our_ns;
    return (int64_t)(header->start_monotonic_ns - header->start_realtime_ns -
                     (uint64_t)(monotonic_ns() - clock_ns(CLOCK_REALTIME)));
}

/* What an uploader before us acknowledged is in its segment; but for what stood in tables that were emptied,
   which is in that uploader's files alone (restore.c). */
static bool is_resumed(const struct target *target, const struct join *join)
{
    uint32_t generation = 0;

    if (!join->was_kept)
        return target->segment->header.flags & SEGMENT_RESUMED;
    for (unsigned b = 0; b < LAYOUT_BANKS; b++) {
        uint32_t of_bank = atomic_load_explicit(&target->segment->bank[b].generation, memory_order_relaxed);
        generation = of_bank > generation ? of_bank : generation;
    }
    return generation < 2;
}

int target_attach(struct programs *programs, struct symbols *symbols, const struct join *given,
                  struct target **result)
{
    struct target *target = calloc(1, sizeof *target);
    struct join copy = *given, *join = &copy;
    const char *refusal;

    keeper_touch(join->id);
    target_open_files(join);
    if (!target) {
        join_close(join);
        return -ENOMEM;
    }
    *target = (struct target){
        .memfd = join->memfd, .pidfd = join->pidfd, .pid = join->pid, .id = join->id, .programs = programs};
    target->source = (struct process_files){join->root_fd, join->exe_fd, 0, &target->owner};
    owner_begin(&target->owner, join->uid);
    owner_read(&target->owner, join->has_ended ? 0 : target->pid, living(target));
    refusal = segment_map(target);
    if (refusal) {
        log_warn("process %d is not profiled: %s", (int)join->pid, refusal);
        target_free(target);
        return -EINVAL;
    }
    target->source.pid = target->segment->header.pid;
    target->clock_offset_ns = clock_offset(target);
    target->image = image_of(join->has_ended ? 0 : target->pid);
    target->resumed = is_resumed(target, join);
    target->stacks = stacks_new(target->segment, symbols, &target->source);
    target->wall = wall_new(target, wall_since(target));
    if (!target->stacks || !target->wall || program_find(target)) {
        target_free(target);
        return -ENOMEM;
    }
    take_start(target);
    rotate_attach(target);
    atomic_store_explicit(&target->segment->control.heartbeat_ns,
                          (uint64_t)(monotonic_ns() + target->clock_offset_ns), memory_order_relaxed);
    atomic_store_explicit(&target->segment->control.uploader_pid, getpid(), memory_order_relaxed);
    *result = target;
    return 0;
}

static void close_if_open(int fd)
{
    if (fd != -1)
        close(fd);
}

void target_free(struct target *target)
{
    if (target->program)
        program_leave(target->program, target->pid, target->wall ? wall_until(target->wall) : monotonic_ns());
    for (unsigned b = 0; b < LAYOUT_BANKS; b++)
        drain_forget(target, b);
    wall_free(target->wall);
    stacks_free(target->stacks);
    symbols_process_ended(target->programs->symbols, &target->source);
    if (target->segment)
        munmap(target->segment, sizeof *target->segment);
    close_if_open(target->memfd);
    close_if_open(target->pidfd);
    close_if_open(target->source.root_fd);
    close_if_open(target->source.exe_fd);
    free(target);
}

/* Names stacks ahead of the rounds, so that the one at the process's end has little left to look up. Most
   come early: the pauses double, since each time debug information may have to be read anew. */
static void warm(struct target *target, int64_t now_ns)
{
    const int64_t until_ns = now_ns + WARM_MS * MS_NS;

    if (now_ns < target->warm_ns)
        return;
    target->warm_gap_ns = target->warm_gap_ns ? 2 * target->warm_gap_ns : SECOND_NS;
    target->warm_ns = now_ns + target->warm_gap_ns;
    for (unsigned b = 0; b < LAYOUT_BANKS; b++) {
        struct seg_bank *bank = &target->segment->bank[b];
        uint32_t generation = atomic_load_explicit(&bank->generation, memory_order_relaxed);
        uint32_t samples = atomic_load_explicit(&bank->samples, memory_order_relaxed);

        for (uint32_t *i = &target->warmed[b]; *i < samples && *i < LAYOUT_SAMPLES; ++*i) {
            uint64_t key = atomic_load_explicit(&bank->sample[*i].key, memory_order_acquire);
            if (key)
                stacks_get(target->stacks, generation, sample_key_stack(key));
            if (monotonic_ns() >= until_ns)
                return;
        }
    }
}

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

uint32_t target_used_slots(const struct target *target)
{
    uint32_t slots = atomic_load_explicit(&target->segment->header.used_slots, memory_order_relaxed);
    return slots < LAYOUT_THREADS ? slots : LAYOUT_THREADS - 1;
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

/* Thread ids, sorted; 0 entries also where there is no memory. */
struct ids {
    int *id;
    size_t count, capacity;
};

static void ids_add(struct ids *ids, int id)
{
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
        int *grown = realloc(ids->id, capacity * sizeof *grown);
        if (!grown)
            return;
        ids->id = grown;
        ids->capacity = capacity;
    }
    ids->id[ids->count++] = id;
}

static void ids_sort(struct ids *ids)
{
    if (ids->count)
        qsort(ids->id, ids->count, sizeof *ids->id, compare_ids);
}

static struct ids ids_of_tasks(const struct target *target, DIR *tasks)
{
    struct ids ids = {0};
    struct dirent *entry;
    while ((entry = readdir(tasks))) {
        int tid = atoi(entry->d_name);
        if (tid > 0)
            tid = thread_id_inside(target, tid);
        if (tid > 0)
            ids_add(&ids, tid);
    }
    ids_sort(&ids);
    return ids;
}

static struct ids ids_of_slots(const struct target *target)
{
    uint32_t slots = target_used_slots(target);
    struct ids ids = {0};
    for (uint32_t i = 1; i <= slots; i++) {
        int tid = atomic_load_explicit(&target->segment->thread[i].tid, memory_order_acquire);
        if (tid > 0)
            ids_add(&ids, tid);
    }
    ids_sort(&ids);
    return ids;
}

/* What stands in one of the two only: threads without a slot, and (negative) slots whose thread has ended. */
static unsigned list_difference(int id[DIFFERENCE], const struct ids *tasks, const struct ids *slots)
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

/* Of the process's thread; the kernel's own, for io_uring, run none of its code. */
struct found {
    struct stray stray[WALL_STRAYS];
    uint32_t strays, wanted;
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
    if (is_known && found->strays < WALL_STRAYS) {
        struct stray *stray = &found->stray[found->strays++];
        stray->tid = id;
        memcpy(stray->name, stat.name, sizeof stray->name);
        stray->start_ns = start_of(&stat);
    }
    if (found->wanted == LAYOUT_ADOPT || (is_known && task_is_kernels(&stat)))
        return;
    memcpy(control->adopt_name[found->wanted], stat.name, sizeof control->adopt_name[0]);
    atomic_store_explicit(&control->adopt[found->wanted++], id, memory_order_relaxed);
}

/* Until the process adopts them, which it does with its next CPU sample, we look at threads without a slot by
   their numbers: an idle process has none, and the kernel's threads are never adopted. */
static void adopt_difference(struct target *target, DIR *directory)
{
    struct seg_control *control = &target->segment->control;
    struct ids slots = ids_of_slots(target), tasks = ids_of_tasks(target, directory);
    struct found found = {0};
    int id[DIFFERENCE];
    unsigned count = list_difference(id, &tasks, &slots);

    for (unsigned i = 0; i < count; i++)
        find_out(target, id[i], &found);
    wall_set_strays(target, found.stray, found.strays);
    free(slots.id);
    free(tasks.id);
    if (!found.wanted)
        return;
    atomic_store_explicit(&control->adopt_count, found.wanted, memory_order_relaxed);
    /* Pairs with the target's acquire: whoever sees the new sequence sees the list. */
    atomic_fetch_add_explicit(&control->adopt_sequence, 1, memory_order_release);
}

/* Threads that existed before the library or were made by clone(), libc or the kernel, and whose end no hook
   sees either. The directory's link count is 2 + threads, so that a process without such threads costs one
   stat(); but as many may have come as have ended. */
static void adopt_tick(struct target *target)
{
    char path[64];
    struct stat st;
    DIR *tasks;

    if (!(atomic_load_explicit(&target->segment->control.profiles, memory_order_relaxed) >> PROFILE_CPU &
          1) &&
        !wall_wanted(target))
        return;
    snprintf(path, sizeof path, "/proc/%d/task", (int)target->pid);
    if (stat(path, &st) || (st.st_nlink == slots_taken(target) + 2 && ++target->adopt_ticks % ADOPT_TICKS))
        return;
    tasks = opendir(path);
    if (!tasks)
        return;
    adopt_difference(target, tasks);
    closedir(tasks);
}

void target_tick(struct target *target, int64_t now_ns)
{
    keeper_touch(target->id);
    atomic_store_explicit(&target->segment->control.heartbeat_ns,
                          (uint64_t)(monotonic_ns() + target->clock_offset_ns), memory_order_relaxed);
    owner_read(&target->owner, target->pid, living(target)); /* it may have given up root */
    adopt_tick(target);
    if (!wall_wanted(target)) /* while nothing else looks: it notes that nothing is recorded */
        wall_look(target, now_ns);
    warm(target, now_ns);
}

static uint64_t ticks_now(const struct target *target)
{
    return target->segment->header.flags & SEGMENT_NS_TICKS
               ? (uint64_t)(monotonic_ns() + target->clock_offset_ns)
               : __builtin_ia32_rdtsc();
}

/* Ticks are turned into time by the two pairs at the process's start and now. */
static uint64_t ticks_to_ns(const struct target *target, uint64_t amount)
{
    const struct seg_header *header = &target->segment->header;
    double time_ns = (double)monotonic_ns() - (double)target_time(target, header->start_monotonic_ns);
    double elapsed = (double)ticks_now(target) - (double)header->start_ticks, ns;

    if (time_ns <= 0 || elapsed <= 0)
        return 0;
    ns = (double)amount * time_ns / elapsed;
    return ns < 1e18 ? (uint64_t)ns : 0;
}

int64_t target_time(const struct target *target, uint64_t its_ns)
{
    int64_t ours_ns = (int64_t)((its_ns & INT64_MAX) - (uint64_t)target->clock_offset_ns);
    return ours_ns > 0 ? ours_ns : 0; /* the segment may say anything */
}

int64_t target_time_of_ticks(const struct target *target, uint64_t ticks, int64_t now_ns)
{
    uint64_t now = ticks_now(target);
    return ticks < now ? now_ns - (int64_t)ticks_to_ns(target, now - ticks) : now_ns;
}

/* States are replaced by what is now. */
static void drain_states(struct target *target)
{
    const uint32_t any = 1u << PROFILE_MEMORY | 1u << PROFILE_THREADS | 1u << PROFILE_THREADCREATE;
    uint32_t profiles = atomic_load_explicit(&target->segment->control.profiles, memory_order_relaxed);

    if (target->has_state)
        program_clear_state(target->program, target->pid);
    target->has_state = profiles & any;
    if (profiles >> PROFILE_MEMORY & 1)
        drain_live(target);
    if (profiles >> PROFILE_THREADS & 1)
        wall_drain_threads(target);
    if (profiles >> PROFILE_THREADCREATE & 1)
        drain_created(target);
}

static void drain_samples(struct target *target)
{
    uint64_t own = target->program->counts.counter[COUNT_OWN_TICKS];

    drain_counters(target);
    own = target->program->counts.counter[COUNT_OWN_TICKS] - own;
    program_count_own(target->program, ticks_to_ns(target, own));
    for (unsigned b = 0; b < LAYOUT_BANKS; b++)
        drain_bank(target, b);
}

static void account_times(struct target *target)
{
    take_periods(target); /* they may have been changed meanwhile */
    wall_drain(target);
    target->wall_drained_ns = (uint64_t)(wall_until(target->wall) + target->clock_offset_ns);
    target->resumed = false;
}

void target_commit(struct target *target)
{
    for (unsigned b = 0; b < LAYOUT_BANKS; b++)
        drain_commit(target, b);
    if (target->wall_drained_ns)
        atomic_store_explicit(&target->segment->control.wall_acked_ns, target->wall_drained_ns,
                              memory_order_relaxed);
    target->wall_drained_ns = 0;
}

void target_drain_times(struct target *target)
{
    keeper_touch(target->id);
    drain_samples(target);
    account_times(target);
}

void target_drain(struct target *target)
{
    keeper_touch(target->id);
    drain_samples(target);
    wall_look(target, monotonic_ns());
    account_times(target);
    drain_states(target);
}

void target_drain_end(struct target *target, int64_t ended_ns)
{
    keeper_touch(target->id);
    drain_samples(target);
    wall_end(target, ended_ns);
    account_times(target);
    drain_states(target);
}

/* What the target counted while it made the copy is in the original alone: no more than the copy has is
   acknowledged there. */
static void acked_copy_value(struct seg_sample *to, const struct seg_sample *from, int i)
{
    uint64_t acked = atomic_load_explicit(&from->acked[i], memory_order_relaxed),
             value = atomic_load_explicit(&to->value[i], memory_order_relaxed);
    atomic_store_explicit(&to->acked[i], acked < value ? acked : value, memory_order_relaxed);
}

static void acked_copy(struct seg_bank *to, const struct seg_bank *from)
{
    uint32_t samples = atomic_load_explicit(&from->samples, memory_order_relaxed);

    if (atomic_load_explicit(&from->generation, memory_order_relaxed) !=
        atomic_load_explicit(&to->generation, memory_order_relaxed))
        return;
    for (uint32_t i = 0; i < samples && i < LAYOUT_SAMPLES; i++) {
        if (atomic_load_explicit(&from->sample[i].key, memory_order_relaxed) !=
            atomic_load_explicit(&to->sample[i].key, memory_order_relaxed))
            continue;
        for (int v = 0; v < LAYOUT_VALUES; v++)
            acked_copy_value(&to->sample[i], &from->sample[i], v);
    }
}

void target_resume(struct target *target, struct target *old)
{
    /* Without another look: its slots stand still since the copy was made, and the process goes on. */
    target_drain_times(old);
    target_commit(old);
    for (unsigned b = 0; b < LAYOUT_BANKS; b++)
        acked_copy(&target->segment->bank[b], &old->segment->bank[b]);
    memcpy(target->counter, old->counter, sizeof target->counter);
    target->has_state = old->has_state;
    wall_resume(target->wall, old->wall);
    target->resumed = false;
}

bool target_waits(const struct target *target)
{
    return target->segment->header.flags & SEGMENT_PID1 &&
           atomic_load_explicit(&target->segment->header.ended, memory_order_acquire) &&
           !atomic_load_explicit(&target->segment->control.finished, memory_order_relaxed);
}

void target_finished(struct target *target)
{
    /* Pairs with the acquire of the waiting process_exit(). */
    atomic_store_explicit(&target->segment->control.finished, 1, memory_order_release);
}
