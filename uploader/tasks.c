/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Calls that threads are blocked in; of others the number is shown. */
#define BLOCKING_CALLS(X)                                                                                    \
    X(futex)                                                                                                 \
    X(futex_waitv) X(read) X(write) X(readv) X(writev) X(pread64) X(pwrite64) X(preadv) X(pwritev) X(poll)   \
        X(ppoll) X(select) X(pselect6) X(epoll_wait) X(epoll_pwait) X(epoll_pwait2) X(nanosleep)             \
            X(clock_nanosleep) X(accept) X(accept4) X(connect) X(recvfrom) X(recvmsg) X(recvmmsg) X(sendto)  \
                X(sendmsg) X(sendmmsg) X(sendfile) X(splice) X(wait4) X(waitid) X(pause) X(rt_sigsuspend)    \
                    X(rt_sigtimedwait) X(io_uring_enter) X(io_getevents) X(fsync) X(fdatasync) X(msync)      \
                        X(sync) X(flock) X(fcntl) X(open) X(openat) X(close) X(unlink) X(rename) X(mmap)     \
                            X(munmap) X(mprotect) X(madvise) X(msgrcv) X(msgsnd) X(semop) X(semtimedop)      \
                                X(mq_timedreceive) X(mq_timedsend) X(ioctl) X(exit_group) X(execve) X(vfork) \
                                    X(clone) X(clone3) X(getdents64) X(stat) X(newfstatat) X(ptrace)         \
                                        X(membarrier)

#define X(name) {SYS_##name, #name},
static const struct {
    long number;
    const char *name;
} calls[] = {BLOCKING_CALLS(X)};
#undef X

static ssize_t read_file(pid_t pid, pid_t tid, const char *name, char *text, size_t size)
{
    char path[80];
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return -errno;
    length = read(fd, text, size - 1);
    length = length < 0 ? -errno : length;
    close(fd);
    text[length > 0 ? length : 0] = 0;
    return length;
}

static void name_call(struct task *task, long number)
{
    snprintf(task->what, sizeof task->what, "system call %ld", number);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == number)
            snprintf(task->what, sizeof task->what, "%s", calls[i].name);
}

/* "running", or the number of the call it is in and its arguments, or -1. */
static bool read_call(pid_t pid, pid_t tid, struct task *task)
{
    char text[256];

    if (read_file(pid, tid, "syscall", text, sizeof text) <= 0)
        return false;
    if (!strncmp(text, "running", 7)) {
        task->state = TASK_RUNNING;
        return true;
    }
    /* In no call: it waits for a page, or was stopped, which its state tells. */
    if (text[0] == '-')
        return false;
    task->state = TASK_BLOCKED;
    name_call(task, strtol(text, NULL, 10));
    return true;
}

static void read_state(pid_t pid, pid_t tid, struct task *task)
{
    char text[512];
    const char *after = read_file(pid, tid, "stat", text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
    char letter = after && after[1] ? after[2] : 'X';

    task->state = strchr("XZx", letter)  ? TASK_GONE
                  : letter == 'R'        ? TASK_RUNNING
                  : strchr("Tt", letter) ? TASK_STOPPED
                                         : TASK_BLOCKED;
    if (letter == 'D')
        snprintf(task->what, sizeof task->what, "page fault or disk");
}

/* The call is shown to who may trace the process, the state to everybody. */
void task_read(pid_t pid, pid_t tid, struct task *task)
{
    *task = (struct task){.state = TASK_GONE};
    if (!read_call(pid, tid, task))
        read_state(pid, tid, task);
}
