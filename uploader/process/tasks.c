/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* Calls that threads are blocked in. Of other calls the number is shown. */
#define CALL(name)                                                                                           \
    {                                                                                                        \
        SYS_##name, #name                                                                                    \
    }
static const struct {
    long number;
    const char *name;
} calls[] = {
    CALL(futex),
    CALL(futex_waitv),
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(pread64),
    CALL(pwrite64),
    CALL(preadv),
    CALL(pwritev),
    CALL(ppoll),
    CALL(pselect6),
    CALL(epoll_pwait),
    CALL(epoll_pwait2),
    CALL(nanosleep),
    CALL(clock_nanosleep),
    CALL(accept),
    CALL(accept4),
    CALL(connect),
    CALL(recvfrom),
    CALL(recvmsg),
    CALL(recvmmsg),
    CALL(sendto),
    CALL(sendmsg),
    CALL(sendmmsg),
    CALL(sendfile),
    CALL(splice),
    CALL(wait4),
    CALL(waitid),
    CALL(restart_syscall),
    CALL(rt_sigsuspend),
    CALL(rt_sigtimedwait),
    CALL(io_uring_enter),
    CALL(io_getevents),
    CALL(fsync),
    CALL(fdatasync),
    CALL(msync),
    CALL(sync),
    CALL(flock),
    CALL(fcntl),
    CALL(openat),
    CALL(unlinkat),
    CALL(renameat2),
    CALL(close),
    CALL(mmap),
    CALL(munmap),
    CALL(mprotect),
    CALL(madvise),
    CALL(msgrcv),
    CALL(msgsnd),
    CALL(semop),
    CALL(semtimedop),
    CALL(mq_timedreceive),
    CALL(mq_timedsend),
    CALL(ioctl),
    CALL(exit_group),
    CALL(execve),
    CALL(clone),
    CALL(clone3),
    CALL(getdents64),
    CALL(newfstatat),
    CALL(statx),
    CALL(ptrace),
    CALL(membarrier),
#ifdef SYS_poll /* what newer architectures never had */
    CALL(poll),
    CALL(select),
    CALL(epoll_wait),
    CALL(pause),
    CALL(open),
    CALL(unlink),
    CALL(rename),
    CALL(vfork),
    CALL(stat),
#endif
};
#undef CALL

static ssize_t read_file(pid_t pid, pid_t tid, const char *name, char *text, size_t size)
{
    char path[80];

    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
    return proc_read(path, text, size);
}

static void name_call(struct task *task, long number)
{
    snprintf(task->what, sizeof task->what, "system call %ld", number);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == number)
            snprintf(task->what, sizeof task->what, "%s", calls[i].name);
}

void task_read_call(pid_t pid, pid_t tid, struct task *task)
{
    struct proc_call call;
    char text[256];

    *task = (struct task){.state = TASK_UNKNOWN};
    if (read_file(pid, tid, "syscall", text, sizeof text) <= 0 || !proc_call_parse(text, &call))
        return;
    if (call.running) {
        task->state = TASK_RUNNING;
        return;
    }
    task->pc = call.pc;
    task->sp = call.sp;
    /* It is in no call: it waits for a page, or was stopped, which its state tells. A thread that the kernel
       made has neither calls nor registers, and shows zeros. */
    if (call.number < 0 || (!task->pc && !task->sp))
        return;
    task->state = TASK_BLOCKED;
    name_call(task, call.number);
}

int task_read_stat(pid_t pid, pid_t tid, struct proc_stat *stat)
{
    char text[1024];
    ssize_t length = read_file(pid, tid, "stat", text, sizeof text);

    *stat = (struct proc_stat){.letter = 'X'};
    if (length < 0)
        return (int)length;
    return proc_stat_parse(text, stat) ? 0 : -ESRCH;
}

bool task_is_kernels(const struct proc_stat *stat)
{
    /* PF_IO_WORKER and PF_KTHREAD. They have had these values since io_uring exists. */
    return stat->flags & (0x10 | 0x200000);
}

static bool is_gone(int error, const struct proc_stat *stat)
{
    return error ? error == -ENOENT || error == -ESRCH : strchr("XZx", stat->letter) != NULL;
}

static void take_stat(struct task *task, const struct proc_stat *stat)
{
    if (strchr("Tt", stat->letter)) {
        task->state = TASK_STOPPED;
        task->whole = stat->letter == 'T';
        *task->what = 0;
    } else if (task->state == TASK_UNKNOWN && stat->letter == 'R') {
        task->state = TASK_RUNNING;
        task->pc = task->sp = 0;
    } else if (task->state == TASK_UNKNOWN) {
        task->state = TASK_BLOCKED;
        if (stat->letter == 'D')
            snprintf(task->what, sizeof task->what, "page fault or disk");
        else if (task_is_kernels(stat))
            snprintf(task->what, sizeof task->what, "kernel's own thread");
    }
}

/* The call is shown to a process that may trace, the state to everybody. The state is asked last. A stop may
   have found the thread at the end of a call, whose number is shown until it goes on. */
void task_read(pid_t pid, pid_t tid, struct task *task)
{
    struct proc_stat stat;
    int error;

    task_read_call(pid, tid, task);
    if (task->state == TASK_RUNNING)
        return;
    error = task_read_stat(pid, tid, &stat);
    if (is_gone(error, &stat))
        *task = (struct task){.state = TASK_GONE};
    else if (!error)
        take_stat(task, &stat);
}

/* The directory where control groups with this controller are mounted. "": of version 2, as far as it is
   visible. */
static bool find_groups(const char *controller, char path[256])
{
    const char *type = *controller ? " - cgroup " : " - cgroup2 ";
    char line[2048];
    bool found = false;
    FILE *file = fopen("/proc/self/mountinfo", "re");

    while (file && !found && fgets(line, sizeof line, file)) {
        const char *rest = strstr(line, type);
        found = rest && strstr(rest, controller) && sscanf(line, "%*d %*d %*s %*s %255s", path) == 1;
    }
    if (file)
        fclose(file);
    return found;
}

/* A file of the group that a process is in. mark begins the group's line in /proc/PID/cgroup. */
static bool group_says(pid_t pid, const char *mark, const char *controller, const char *name,
                       const char *what)
{
    char path[64], text[4096], mount[256], *group, file[sizeof text + sizeof mount + 64];

    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    if (proc_read(path, text, sizeof text) <= 0 || !(group = strstr(text, mark)))
        return false;
    group += strlen(mark);
    group[strcspn(group, "\n")] = 0;
    if (strstr(group, "/..") || !find_groups(controller, mount)) /* above what we see, or not seen at all */
        return false;
    snprintf(file, sizeof file, "%s%s/%s", mount, group, name);
    return proc_read(file, text, sizeof text) > 0 && strstr(text, what);
}

/* Frozen by cgroup v1. Such a thread is in state D, in the function that it slept in. */
static bool is_in_frozen_group(pid_t pid)
{
    return group_says(pid, ":freezer:", "freezer", "freezer.state", "FROZEN");
}

/* Frozen by cgroup v2. The thread sleeps in the function that takes signals, and only a signal that kills
   wakes it. Nothing else sleeps there in state S. */
static bool is_frozen_at_signal(pid_t pid, pid_t tid)
{
    static const char *const places[] = {"get_signal", "do_freezer_trap", "__refrigerator"};
    char text[64];

    if (read_file(pid, tid, "wchan", text, sizeof text) <= 0 || !strcmp(text, "0")) /* not told */
        return group_says(pid, "0::", "", "cgroup.events", "frozen 1");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (!strncmp(text, places[i], strlen(places[i])))
            return true;
    return false;
}

enum task_stop task_stop(pid_t pid, pid_t tid)
{
    struct proc_stat stat;

    if (task_read_stat(pid, tid, &stat))
        return TASK_GOES_ON;
    switch (stat.letter) {
    case 'T':
        return TASK_STOPPED_WHOLE;
    case 't':
        return TASK_STOPPED_ALONE;
    case 'D':
        return is_frozen_at_signal(pid, tid) || is_in_frozen_group(pid) ? TASK_STOPPED_WHOLE : TASK_GOES_ON;
    case 'S':
        return is_frozen_at_signal(pid, tid) ? TASK_STOPPED_WHOLE : TASK_GOES_ON;
    default:
        return TASK_GOES_ON;
    }
}

pid_t task_living(pid_t pid, pid_t last)
{
    struct proc_stat stat;
    struct dirent *entry;
    char path[64];
    pid_t found = 0;
    DIR *tasks;

    if (last && !is_gone(task_read_stat(pid, last, &stat), &stat))
        return last;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    while (tasks && !found && (entry = readdir(tasks))) {
        pid_t tid = (pid_t)atoi(entry->d_name);
        if (tid > 0 && !is_gone(task_read_stat(pid, tid, &stat), &stat) && !task_is_kernels(&stat))
            found = tid;
    }
    if (tasks)
        closedir(tasks);
    return found;
}

bool task_read_times(pid_t pid, pid_t tid, struct task_times *times)
{
    char text[96];

    return read_file(pid, tid, "schedstat", text, sizeof text) > 0 &&
           proc_schedstat_parse(text, &times->cpu_ns, &times->queued_ns);
}
