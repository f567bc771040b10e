/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "context.h"
#include "cpu_time.h"
#include "drain.h"
#include "rotate.h"
#include "segment.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/process/proc_text.h"
#include "uploader/process/tasks.h"
#include "uploader/process/time_namespace.h"

/* A file that shrinks would kill the uploader with SIGBUS, so the segment must be sealed against that. */
static const char *segment_map(struct target *target)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    struct statfs system;
    struct stat st;
    int present = fcntl(target->memfd, F_GET_SEALS);

    /* Asked first: only memory has seals, and any other file may answer late or never. */
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

/* The file may lie on a file system that the process's user serves. So owner.c opens it. */
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

/* Kept open, because the process's own view of its files outlives the process. */
void target_open_files(struct handover *handover)
{
    pid_t tid = handover->pid && !handover->has_files ? task_living(handover->pid, handover->pid) : 0;
    struct owner owner;
    char path[64];

    if (handover->has_files)
        return;
    handover->has_files = true;
    owner_begin(&owner, handover->uid);
    owner_read(&owner, handover->pid, tid);
    snprintf(path, sizeof path, "/proc/%d/task/%d/root", (int)handover->pid, (int)tid);
    handover->root_fd = tid ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    snprintf(path, sizeof path, "/proc/%d/task/%d/exe", (int)handover->pid, (int)tid);
    handover->exe_fd = tid ? open_executable(&owner, path) : -1;
}

/* A copy that the target cannot change any more. It ends with a NUL, also if the original does not. */
static void take_bytes(char *to, const char *from, size_t size)
{
    memcpy(to, from, size);
    to[size] = 0;
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
    if (!target->program || program_enter(target->program, target->pid, target->since_ns))
        return -ENOMEM;
    return 0;
}

/* The times of threads count from the process's start, or from where an earlier uploader ended. CPU time that
   is not acknowledged is of the same span. */
static int64_t times_since(const struct target *target)
{
    int64_t now_ns = monotonic_ns(), since;
    uint64_t start_ns = target->segment->header.start_monotonic_ns;
    uint64_t acked_ns = atomic_load_explicit(&target->segment->control.wall_acked_ns, memory_order_relaxed);
    uint64_t since_ns = acked_ns > start_ns ? acked_ns : start_ns;

    since = target_time(target, since_ns);
    return !since_ns || since > now_ns ? now_ns : since;
}

/* The merged profiles of a process that an earlier uploader had go back to the process's start. */
static void take_start(struct target *target)
{
    int64_t start_ns = target_time(target, target->segment->header.start_monotonic_ns);

    if (target->resumed && start_ns > 0 && start_ns < target->program->start_ns)
        target->program->start_ns = start_ns;
}

/* The addresses of code and stack, which an exec of the same file changes, too. */
static void read_places(pid_t pid, pid_t tid, struct exec_id *exec)
{
    struct proc_stat stat;

    if (task_read_stat(pid, tid, &stat))
        return;
    exec->code = stat.code;
    exec->stack = stat.stack;
}

static struct exec_id exec_id_of(pid_t pid)
{
    struct exec_id exec = {0};
    pid_t tid = pid ? task_living(pid, pid) : 0;
    struct statx st;
    char path[64];

    if (!tid)
        return exec;
    snprintf(path, sizeof path, "/proc/%d/task/%d/exe", (int)pid, (int)tid);
    /* The file system is not asked, because it may be one that hangs. */
    if (!statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &st)) {
        exec.device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
        exec.inode = st.stx_ino;
    }
    read_places(pid, tid, &exec);
    return exec;
}

static bool differs(uint64_t was, uint64_t is)
{
    return was > 1 && is > 1 && was != is;
}

bool target_is_replaced(const struct target *target)
{
    struct exec_id now = exec_id_of(target->pid);

    return differs(target->exec.inode, now.inode) ||
           (target->exec.inode && now.inode && target->exec.device != now.device) ||
           differs(target->exec.code, now.code) || differs(target->exec.stack, now.stack);
}

/* What an earlier uploader acknowledged is in the segment, except what stood in tables that were emptied.
   That is in the files of the earlier uploader alone (restore.c). */
static bool is_resumed(const struct target *target, bool was_held)
{
    uint32_t generation = 0;

    if (!was_held)
        return target->segment->header.flags & SEGMENT_RESUMED;
    for (unsigned b = 0; b < LAYOUT_BANKS; b++) {
        uint32_t of_bank = atomic_load_explicit(&target->segment->bank[b].generation, memory_order_relaxed);
        generation = of_bank > generation ? of_bank : generation;
    }
    return generation < 2;
}

static void beat(struct target *target)
{
    atomic_store_explicit(&target->segment->control.heartbeat_ns,
                          (uint64_t)(monotonic_ns() + target->clock_offset_ns), memory_order_relaxed);
}

/* What the segment says, once it is mapped. */
static int take_segment(struct target *target, bool was_held)
{
    const struct seg_header *header = &target->segment->header;
    const struct clock_pair clocks = {header->start_monotonic_ns, header->start_realtime_ns};

    target->source.pid = header->pid;
    target->clock_offset_ns = time_namespace_offset(target->pid, &clocks);
    target->resumed = is_resumed(target, was_held);
    target->since_ns = times_since(target);
    target->profiles = target_recorded(target);
    target->stacks = stacks_new(target->segment, target->programs->symbols, &target->source);
    if (!target->stacks || program_find(target))
        return -ENOMEM;
    take_start(target);
    rotate_attach(target);
    beat(target);
    atomic_store_explicit(&target->segment->control.uploader_pid, getpid(), memory_order_relaxed);
    return 0;
}

int target_attach(struct programs *programs, const struct handover *given, struct target **result)
{
    struct target *target = calloc(1, sizeof *target);
    struct handover copy = *given, *handover = &copy;
    const char *refusal;

    target_open_files(handover);
    if (!target) {
        handover_close(handover);
        return -ENOMEM;
    }
    *target = (struct target){.memfd = handover->memfd,
                              .pidfd = handover->pidfd,
                              .pid = handover->pid,
                              .id = handover->id,
                              .programs = programs};
    target->source = (struct process_files){handover->root_fd, handover->exe_fd, 0, &target->owner,
                                            handover->has_ended ? 0 : (int)handover->pid};
    owner_begin(&target->owner, handover->uid);
    owner_read(&target->owner, handover->has_ended ? 0 : target->pid, living(target));
    target->exec = exec_id_of(handover->has_ended ? 0 : target->pid);
    refusal = segment_map(target);
    if (refusal) {
        log_warn("process %d is not profiled: %s", (int)handover->pid, refusal);
        target_free(target, 0);
        return -EINVAL;
    }
    if (take_segment(target, handover->was_held)) {
        target_free(target, target->since_ns);
        return -ENOMEM;
    }
    target_begin_cpu(target);
    *result = target;
    return 0;
}

static void close_if_open(int fd)
{
    if (fd != -1)
        close(fd);
}

void target_free(struct target *target, int64_t until_ns)
{
    if (target->program) {
        if (target->program->alive > 1)
            program_change_resident(target->program, &target->resident, &(struct resident){0});
        program_leave(target->program, target->pid, until_ns);
    }
    for (unsigned b = 0; b < LAYOUT_BANKS; b++)
        drain_forget(target, b);
    for (unsigned i = 0; i < TARGET_NAMES; i++)
        free(target->cpu[i].newest);
    stacks_free(target->stacks);
    symbols_process_ended(target->programs->symbols, &target->source);
    process_context_free(&target->context);
    target_forget_labels(target);
    if (target->segment)
        munmap(target->segment, sizeof *target->segment);
    close_if_open(target->memfd);
    close_if_open(target->pidfd);
    close_if_open(target->source.root_fd);
    close_if_open(target->source.exe_fd);
    free(target);
}

void target_beat(struct target *target)
{
    beat(target);
    owner_read(&target->owner, target->pid, living(target)); /* it may have given up root */
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
