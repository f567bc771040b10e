/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Calls that threads are blocked in; of others the number is shown. */
#define CALL(name)                                                                                           \
    {                                                                                                        \
        SYS_##name, #name                                                                                    \
    }
static const struct {
    long number;
    const char *name;
} calls[] = {CALL(futex),
             CALL(futex_waitv),
             CALL(read),
             CALL(write),
             CALL(readv),
             CALL(writev),
             CALL(pread64),
             CALL(pwrite64),
             CALL(preadv),
             CALL(pwritev),
             CALL(poll),
             CALL(ppoll),
             CALL(select),
             CALL(pselect6),
             CALL(epoll_wait),
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
             CALL(pause),
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
             CALL(open),
             CALL(openat),
             CALL(close),
             CALL(unlink),
             CALL(rename),
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
             CALL(vfork),
             CALL(clone),
             CALL(clone3),
             CALL(getdents64),
             CALL(stat),
             CALL(newfstatat),
             CALL(statx),
             CALL(ptrace),
             CALL(membarrier)};
#undef CALL

/* false: it cannot be read, or is empty. */
static bool read_file(pid_t pid, pid_t tid, const char *name, char *text, size_t size)
{
    char path[80];
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    length = read(fd, text, size - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    return length > 0;
}

static void name_call(struct task *task, long number)
{
    snprintf(task->what, sizeof task->what, "system call %ld", number);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == number)
            snprintf(task->what, sizeof task->what, "%s", calls[i].name);
}

/* The last two of what is shown. */
static void read_registers(const char *text, struct task *task)
{
    const char *pc = strrchr(text, ' '), *sp = pc;

    while (sp && sp > text && *--sp != ' ')
        ;
    if (!pc || *sp != ' ')
        return;
    task->sp = strtoull(sp, NULL, 16);
    task->pc = strtoull(pc, NULL, 16);
}

/* "running", or the number of the call it is in and its arguments, or -1; and then stack pointer and program
   counter. */
static bool read_call(pid_t pid, pid_t tid, struct task *task)
{
    char text[256];

    if (!read_file(pid, tid, "syscall", text, sizeof text))
        return false;
    if (!strncmp(text, "running", 7)) {
        task->state = TASK_RUNNING;
        return true;
    }
    read_registers(text, task);
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
    const char *after = read_file(pid, tid, "stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    char letter = after && after[1] ? after[2] : 'X';

    task->state = strchr("XZx", letter)  ? TASK_GONE
                  : letter == 'R'        ? TASK_RUNNING
                  : strchr("Tt", letter) ? TASK_STOPPED
                                         : TASK_BLOCKED;
    if (task->state == TASK_RUNNING)
        task->pc = task->sp = 0;
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

bool task_read_times(pid_t pid, pid_t tid, struct task_times *times)
{
    char text[96];

    return read_file(pid, tid, "schedstat", text, sizeof text) &&
           sscanf(text, "%" SCNd64 " %" SCNd64, &times->cpu_ns, &times->queued_ns) == 2;
}
