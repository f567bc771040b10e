/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Untracked threads are those without a slot. They existed before the library, or were made by clone(), by
 * libc or by the kernel. The target is asked to adopt them, which it does at its next CPU sample. One thread
 * only.
 */
#ifndef CPROF_UPLOADER_ADOPT_H
#define CPROF_UPLOADER_ADOPT_H

#include "uploader/target/target.h"

enum { UNTRACKED_MOST = 64 };
struct untracked_thread {
    int tid;
    char name[16];    /* as the kernel has it */
    int64_t start_ns; /* CLOCK_MONOTONIC */
};
struct untracked_threads {
    struct untracked_thread thread[UNTRACKED_MOST];
    uint32_t count;
};

/* Called once a second. Compares the process's threads with its slots, if their numbers differ or enough time
   has passed. Then it returns true, and *found has those that the kernel can be asked about by their ids. */
bool target_adopt(struct target *target, struct untracked_threads *found);

#endif
