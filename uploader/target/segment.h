/* SPDX-License-Identifier: Apache-2.0 */
/* What a target's segment says of its slots, its clocks and the names of its threads. All of it is checked.
   One thread only. */
#ifndef CPROF_UPLOADER_SEGMENT_H
#define CPROF_UPLOADER_SEGMENT_H

#include "target.h"

/* Slots [1, this] may be in use. */
uint32_t target_used_slots(const struct target *target);

/* What is recorded now, as bits of enum profile_type. target->profiles is what it was when the session last
   asked. */
uint32_t target_recorded(const struct target *target);

/* true: one of wall, off_cpu and threads is recorded. */
bool target_records_threads(const struct target *target);

/* The uploader's CLOCK_MONOTONIC when the target's had this reading. */
int64_t target_time(const struct target *target, uint64_t its_ns);

/* Its time stamp counter. */
uint64_t target_ticks_now(const struct target *target);

/* The same for its time stamp counter. now_ns: the uploader's CLOCK_MONOTONIC now. */
int64_t target_time_of_ticks(const struct target *target, uint64_t ticks, int64_t now_ns);

/* When the process had run its exit handlers; INT64_MAX if that is not known, as of one that
   is killed. CLOCK_MONOTONIC. */
int64_t target_exit_time(const struct target *target);
uint64_t target_ticks_to_ns(const struct target *target, uint64_t amount);

/* Interned; "" where the name is not known. */
const char *target_thread_name(struct target *target, uint32_t index);
/* The index of a name that the kernel has told; 0: there are too many. */
uint32_t target_own_name(struct target *target, const char text[16]);

#endif
