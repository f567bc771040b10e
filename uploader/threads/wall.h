/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the threads of a target spend their time, seen from outside.
 *
 * At each look, some 19 times a second, every thread is given the time since the last look, as one of three
 * things: waiting in a hooked call (its slot says so; the stack is unwound once a wait), blocked in something
 * else (the kernel says so), or running. At each round the times of all threads of one name are made to add
 * up (time_balance.h): their CPU time is what the CPU profile counted in the same span, the rest is divided
 * among the waits in proportion to what the looks have seen. So a thread's wall time is its lifetime, and
 * off-CPU time is what of it was not CPU time. One thread only.
 */
#ifndef CPROF_UPLOADER_WALL_H
#define CPROF_UPLOADER_WALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/target/adopt.h"

struct wall;

/* Of an attached target, borrowed. NULL: no memory. */
struct wall *wall_new(struct target *target);
void wall_free(struct wall *wall);

/* What one look may cost, at all targets together. */
struct wall_budget {
    unsigned questions, walks; /* walks: that are made even if it is late */
    unsigned stops;            /* processes that are asked whether they are stopped */
    int64_t late_ns;
};
struct wall_budget wall_budget(void);

void wall_sample(struct wall *wall, struct wall_budget *budget, int64_t now_ns);

/* Something is recorded from now on, or not any more. The caller has drained what was until now; time that
   nobody looked at is nobody's. */
void wall_change_profiles(struct wall *wall, uint32_t profiles, int64_t now_ns);

/* Threads that have no slot: the kernel is asked for them by their ids. */
void wall_set_untracked(struct wall *wall, const struct untracked_threads *threads);

/* The process has ended: of what its threads did since the last look only what the segment says is known. */
void wall_set_dead(struct wall *wall);

/* Hands on what the looks have seen since the last round, and takes target->cpu. */
void wall_drain(struct wall *wall);

/* Every live thread as it was at the last look, into the threads profile. */
void wall_drain_threads(struct wall *wall);

/* CLOCK_MONOTONIC of the last look: until then times are accounted for, once they are drained. */
int64_t wall_until(const struct wall *wall);

/* The other one was drained: times go on from where it ended. */
void wall_resume(struct wall *wall, const struct wall *old);

#endif
