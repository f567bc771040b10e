/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a thread that is in no hooked call: it runs, or is blocked, and in which call. */
#ifndef CPROF_UPLOADER_TASKS_H
#define CPROF_UPLOADER_TASKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc_text.h"

/* UNKNOWN: it cannot be asked at present. */
enum task_state { TASK_UNKNOWN, TASK_GONE, TASK_RUNNING, TASK_BLOCKED, TASK_STOPPED };

struct task {
    enum task_state state;
    bool whole;    /* of a stopped thread: a signal has stopped all of its process */
    char what[32]; /* of a blocked thread: its system call, or "page fault or disk"; "" if it is not shown */
    uint64_t pc, sp; /* where it entered the kernel; 0 if it is not shown, or the thread runs */
};

/* Takes up to six system calls. pid and tid are those of the uploader's pid namespace. */
void task_read(pid_t pid, pid_t tid, struct task *task);

/* Half of that, at half the cost: where the thread is, whether or not it is stopped there. */
void task_read_call(pid_t pid, pid_t tid, struct task *task);

/* 0, or negative errno: -ENOENT and -ESRCH mean that it is gone. */
int task_read_stat(pid_t pid, pid_t tid, struct proc_stat *stat);

/* A thread that the kernel made in the process, for io_uring. It runs none of the program's code. */
bool task_is_kernels(const struct proc_stat *stat);

/* Whether a thread is stopped. A signal, or the freezer of its control group, stops all of its process. A
   debugger stops threads one by one. */
enum task_stop { TASK_GOES_ON, TASK_STOPPED_ALONE, TASK_STOPPED_WHOLE };
enum task_stop task_stop(pid_t pid, pid_t tid);

/* A thread of the process that lives: the one that was found last, if it still does. Once the main thread has
   ended, /proc/PID shows no memory and no files, and the directory of any other thread does. 0: none. */
pid_t task_living(pid_t pid, pid_t last);

/* What the kernel's scheduler has counted for a thread. false: it is gone, or this kernel does not count. */
struct task_times {
    int64_t cpu_ns, queued_ns; /* queued: runnable, and on no CPU */
};
bool task_read_times(pid_t pid, pid_t tid, struct task_times *times);

#endif
