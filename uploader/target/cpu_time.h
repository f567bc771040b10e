/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU time of a target's process since it joined, as the kernel counts it: of all its threads, also those that ended.
   One thread only. */
#ifndef CPROF_UPLOADER_CPU_TIME_H
#define CPROF_UPLOADER_CPU_TIME_H

#include "target.h"

/* When it is attached. What it used before counts for nobody. */
void target_begin_cpu(struct target *target);

/* Adds what it used since the last time to its program's. Takes two system calls. */
void target_read_cpu(struct target *target);

/* For the last time, after its samples were read. Of a process that nobody can be asked about any more, samples say it. */
void target_end_cpu(struct target *target);

#endif
