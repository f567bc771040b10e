/* SPDX-License-Identifier: Apache-2.0 */
/* The segment's part of a round: what was recorded goes to the program's profiles. One thread only. */
#ifndef CPROF_UPLOADER_ROUND_H
#define CPROF_UPLOADER_ROUND_H

#include "target.h"

/* Called once a second. Names new stacks, so that the round at the process's end has few left to name. */
void target_name_ahead(struct target *target, int64_t now_ns);

/* What was counted since the last time. Also called between rounds, for metrics. */
void target_drain_counters(struct target *target);

/* All that was recorded since the last time, counters included. */
void target_drain_samples(struct target *target);

/* Replaces the states: live allocations, and creation sites of threads that are alive. The caller adds the
   threads profile. */
void target_drain_states(struct target *target);

/* The times of threads are in the profiles until then. */
void target_set_accounted(struct target *target, int64_t until_ns);

/* Called after an upload. Acknowledges in the segment what was read since the last one. If the uploader is
   killed before, its successor reads it again. */
void target_commit(struct target *target);

/* The process handed over a copy of the segment of `old`, because it took this uploader for dead. What old
   has acknowledged is not counted again. old was drained and committed. */
void target_resume(struct target *target, const struct target *old);

#endif
