/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a thread that is in no hooked call: it runs, or is blocked, and in what. */
#ifndef CPROF_UPLOADER_TASKS_H
#define CPROF_UPLOADER_TASKS_H

#include <sys/types.h>

enum task_state { TASK_GONE, TASK_RUNNING, TASK_BLOCKED, TASK_STOPPED };

struct task {
    enum task_state state;
    char what[32]; /* of a blocked one: its system call, "page fault or disk"; "" where nobody may know */
};

/* Two or three system calls; pid and tid as our pid namespace numbers them. */
void task_read(pid_t pid, pid_t tid, struct task *task);

#endif
