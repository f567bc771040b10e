/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The times of a program's processes that lived briefly, of all of them together. Each of them was looked at
 * once or never, and had one CPU sample or none: what they did, only their sum tells. One thread only.
 */
#ifndef CPROF_UPLOADER_BRIEF_H
#define CPROF_UPLOADER_BRIEF_H

#include "uploader/symbols/stacks.h"
#include "times.h"

struct brief;
struct program;
struct programs;

/* *brief NULL: nothing was added yet. thread: interned. */
void brief_add_wait(struct brief **brief, const struct stack *stack, int pid, const char *thread,
                    int64_t looks, int64_t ns);
/* profiles: bit set of enum profile_type, what is recorded. */
void brief_add_times(struct brief **brief, const char *thread, const struct times *times, uint32_t profiles,
                     int64_t period_ns);

/* Hands on what came since the last time. */
void brief_settle(struct programs *programs, struct program *program);
void brief_free(struct brief *brief);

#endif
