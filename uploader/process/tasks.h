/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a thread that is in no hooked call: it runs, or is blocked, and in what. */
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
    bool whole;      /* of a stopped one: with it all of its process, by a signal */
    char what[32];   /* of a blocked one: its system call, "page fault or disk"; "" where nobody may know */
    uint64_t pc, sp; /* where it left for the kernel; 0 where nobody may know, and of one that runs */
};

/* Up to six system calls; pid and tid as our pid namespace numbers them. */
void task_read(pid_t pid, pid_t tid, struct task *task);

/* Half of it, and of the question: where it is, whether or not it is stopped there. */
void task_read_call(pid_t pid, pid_t tid, struct task *task);

/* 0, or negative errno: -ENOENT and -ESRCH mean that it is gone. */
int task_read_stat(pid_t pid, pid_t tid, struct proc_stat *stat);

/* A thread that the kernel made in the process, for io_uring: it runs no code of the program's. */
bool task_is_kernels(const struct proc_stat *stat);

/* Is it stopped: by a signal or by the freezer of its control group, and all of its process, too, or by a
   debugger, which stops threads one by one? */
enum task_stop { TASK_GOES_ON, TASK_STOPPED_ALONE, TASK_STOPPED_WHOLE };
enum task_stop task_stop(pid_t pid, pid_t tid);

/* A thread of the process that lives: the last one that was found, if it still does. Once the main thread has
   ended, what /proc/PID has of memory and files is empty, and what it has of any other thread is not. 0:
   none.
 */
pid_t task_living(pid_t pid, pid_t last);

/* What the kernel's scheduler has counted of a thread. false: it is gone, or this kernel does not count. */
struct task_times {
    int64_t cpu_ns, queued_ns; /* queued: runnable, and on no CPU */
};
bool task_read_times(pid_t pid, pid_t tid, struct task_times *times);

#endif
