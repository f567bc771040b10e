/* SPDX-License-Identifier: Apache-2.0 */
/* What a target's segment says of its slots, its clocks and the names of its threads, checked. One thread
 * only. */
#ifndef CPROF_UPLOADER_SEGMENT_H
#define CPROF_UPLOADER_SEGMENT_H

#include "target.h"

/* Slots [1, this] may be in use. */
uint32_t target_used_slots(const struct target *target);

/* What is recorded at present, as bits of enum profile_type. target->profiles has what the session took
 * notice of. */
uint32_t target_recorded(const struct target *target);

/* true: one of wall, off_cpu and threads is recorded. */
bool target_records_threads(const struct target *target);

/* CLOCK_MONOTONIC of ours at a reading of the target's. */
int64_t target_time(const struct target *target, uint64_t its_ns);

/* The same for a reading of its time stamp counter. now_ns: ours. */
int64_t target_time_of_ticks(const struct target *target, uint64_t ticks, int64_t now_ns);
uint64_t target_ticks_to_ns(const struct target *target, uint64_t amount);

/* Interned; "" where the name is not known. */
const char *target_thread_name(struct target *target, uint32_t index);
/* The index of a name that the kernel has told; 0: there are too many. */
uint32_t target_own_name(struct target *target, const char text[16]);

#endif
