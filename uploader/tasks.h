/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a thread that is in no hooked call: it runs, or is blocked, and in what. */
#ifndef CPROF_UPLOADER_TASKS_H
#define CPROF_UPLOADER_TASKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum task_state { TASK_GONE, TASK_RUNNING, TASK_BLOCKED, TASK_STOPPED };

struct task {
    enum task_state state;
    char what[32];   /* of a blocked one: its system call, "page fault or disk"; "" where nobody may know */
    uint64_t pc, sp; /* where it left for the kernel; 0 where nobody may know, and of one that runs */
};

/* Two or three system calls; pid and tid as our pid namespace numbers them. */
void task_read(pid_t pid, pid_t tid, struct task *task);

/* What the kernel's scheduler has counted of a thread. false: it is gone, or this kernel does not count. */
struct task_times {
    int64_t cpu_ns, queued_ns; /* queued: runnable, and on no CPU */
};
bool task_read_times(pid_t pid, pid_t tid, struct task_times *times);

#endif
