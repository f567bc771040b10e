/* SPDX-License-Identifier: Apache-2.0 */
/* The segment's part of a round: what was recorded goes to the program's profiles. One thread only. */
#ifndef CPROF_UPLOADER_ROUND_H
#define CPROF_UPLOADER_ROUND_H

#include "target.h"

/* Once a second: names for new stacks, so that the round at the process's end has little left to look up. */
void target_name_ahead(struct target *target, int64_t now_ns);

/* All that was recorded since the last time. */
void target_drain_samples(struct target *target);

/* Replaces the states: live allocations, and creation sites of threads that are alive. The caller adds the
 * threads. */
void target_drain_states(struct target *target);

/* The times of threads are handed on until then. */
void target_set_accounted(struct target *target, int64_t until_ns);

/* After an upload: what was read since the last one is acknowledged in the segment. An uploader that is
   killed before makes its successor read it again. */
void target_commit(struct target *target);

/* The same process handed over a copy of `old`, believing that we had died: what old has acknowledged is not
   to come a second time. old was drained and committed. */
void target_resume(struct target *target, const struct target *old);

#endif
