/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member of the session: one profiled process, by its segment and by what is seen of its threads from
 * outside. Each round reads the one and then settles the other; neither knows when. One thread only.
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
    bool is_kept;         /* the keeper has it */
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

/* One round: hands on all that was recorded since the last one, and live allocations and threads as they are.
 */
void member_drain(struct member *member);

/* The last round, of a process that has ended, or executed another program: no later than at ended_ns. */
void member_drain_end(struct member *member, int64_t ended_ns);

/* Between rounds: samples, and the times that go with them. */
void member_drain_times(struct member *member);

/* The same process handed over a copy of `old`, believing that we had died: what old has acknowledged already
   is not to come a second time. */
void member_resume(struct member *member, struct member *old);

/* Its process has ended, or cannot be watched. */
bool member_is_dead(const struct member *member);

/* A full table is emptied, bit by bit. true: ask again soon. */
bool member_rotate(struct member *member, int64_t now_ns);

#endif
