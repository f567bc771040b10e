/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the threads of a target spend their time, seen from outside.
 *
 * Some 19 times a second, a wall sample gives every thread the time since the last sample. The thread either waits in
 * a hooked call, or is blocked in something else, or runs. Its slot says the first, and the stack is unwound once a
 * wait. The kernel says the others. At each round the times of all threads of one name are balanced
 * (time_balance.h). CPU time is what the CPU profile counted in the same span. The rest is divided among the waits in
 * proportion to what wall samples saw. So a thread's wall time is its lifetime, and off-CPU time is the part that was
 * not CPU time. One thread only.
 */
#ifndef CPROF_UPLOADER_WALL_H
#define CPROF_UPLOADER_WALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/target/process/adopt.h"

struct wall;

/* Of an attached target, borrowed. NULL: no memory. */
struct wall *wall_new(struct target *target);
void wall_free(struct wall *wall);

/* What one sample may cost, of all targets together. */
struct wall_budget {
    unsigned questions; /* threads that the kernel is asked for */
    unsigned walks;     /* stacks that are unwound even if it is late */
    unsigned stops;     /* processes that are asked whether they are stopped */
    int64_t late_ns;
};
struct wall_budget wall_budget(void);

void wall_sample(struct wall *wall, struct wall_budget *budget, int64_t now_ns);

/* What is recorded changes. The caller has drained what there was. Time that no sample saw is credited to nothing. */
void wall_change_profiles(struct wall *wall, uint32_t profiles, int64_t now_ns);

/* Threads that have no slot: the kernel is asked for them by their ids. */
void wall_set_untracked(struct wall *wall, const struct untracked_threads *threads);

/* The process has ended. Of what its threads did since the last sample, only what the segment says is known. */
void wall_set_dead(struct wall *wall);

/* Hands on what samples saw since the last round, and takes target->cpu. */
void wall_drain(struct wall *wall);

/* Adds every live thread, as it was in the last sample, to the threads profile. */
void wall_drain_threads(struct wall *wall);

/* CLOCK_MONOTONIC of the last sample. Once drained, times are accounted for until then. */
int64_t wall_until(const struct wall *wall);

/* Times go on from where the other one, which was drained, ended. */
void wall_resume(struct wall *wall, const struct wall *old);

#endif
