/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member of the session is one profiled process: its segment, and what is seen of its threads from outside.
 * A round reads the segment first and then balances the times of the threads. Neither knows the other. One
 * thread only.
 */
#ifndef CPROF_UPLOADER_MEMBER_H
#define CPROF_UPLOADER_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/handover/handover.h"
#include "uploader/target/target.h"
#include "uploader/threads/wall.h"

struct member {
    struct target *target;
    struct wall *wall;
    size_t index;         /* where the session keeps it */
    int64_t next_wall_ns; /* when its next wall sample is due; not used if it takes part in all */
    bool is_held;         /* the keeper has it */
    bool has_ended;       /* its last round is due */
    int64_t committed_ns; /* interval_done_ns of its program when it was */
};

/* Takes over the descriptors, also when it fails. -EINVAL: refused, and a line was logged. */
int member_new(struct programs *programs, const struct handover *handover, struct member **member);

/* Nothing is drained. */
void member_free(struct member *member);

/* Once a second: heartbeat, untracked threads, names for new stacks ahead of the round. */
void member_tick(struct member *member, int64_t now_ns);

/* Sees what its threads are in. */
void member_wall_sample(struct member *member, struct wall_budget *budget, int64_t now_ns);

/* One round: adds all that was recorded since the last round to the profiles, and live allocations and
   threads as they are now. */
void member_drain(struct member *member);

/* The cheaper part of that: states stay as the last round found them. */
void member_drain_sums(struct member *member);

/* The last round of a process that has ended, or that has executed another program. ended_ns: the latest time
   at which it ended. */
void member_drain_end(struct member *member, int64_t ended_ns);

/* Between rounds, for metrics: counters and CPU time are those of now. */
void member_count(struct member *member);

/* The process handed over a copy of the segment of `old`, because it took this uploader for dead. What old
   has acknowledged is not counted again. */
void member_resume(struct member *member, struct member *old);

/* Its process has ended, or cannot be watched. */
bool member_is_dead(const struct member *member);

/* One step in emptying a full table. true: the caller asks again soon. */
bool member_rotate(struct member *member, int64_t now_ns);

#endif
