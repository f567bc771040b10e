/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the threads of a target spend their time, seen from outside.
 *
 * At each look, some 19 times a second, every thread is given the time since the last look, as one of three
 * things: waiting in a hooked call (its slot says so; the stack is unwound once a wait), blocked in something
 * else (the kernel says so), or running. At each round the times of all threads of one name are made to add
 * up (times.h): their CPU time is what the CPU profile counted in the same span, the rest is divided among
 * the waits in proportion to what the looks have seen. So a thread's wall time is its lifetime, and off-CPU
 * time is what of it was not CPU time. One thread only.
 */
#ifndef CPROF_UPLOADER_WALL_H
#define CPROF_UPLOADER_WALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/symbols/stacks.h"

struct target;
struct wall;

/* since_ns: CLOCK_MONOTONIC from which on threads' times count. NULL: no memory. */
struct wall *wall_new(struct target *target, int64_t since_ns);
void wall_free(struct wall *wall);

/* true: one of wall, off_cpu and threads is recorded. */
bool wall_wanted(const struct target *target);

/* What is recorded, as bits of enum profile_type, as of the last look. */
uint32_t wall_profiles(const struct target *target);

void wall_look(struct target *target, int64_t now_ns);

/* The same at all of them, for the price of one; it begins at the first one's turn. */
void wall_look_all(struct target *const *target, size_t targets, size_t first);

/* Threads of the process that have no slot, by their ids: the kernel is asked for them as for the others. */
enum { WALL_STRAYS = 64 };
struct stray {
    int tid;
    char name[16];    /* as the kernel has it */
    int64_t start_ns; /* CLOCK_MONOTONIC */
};
void wall_set_strays(struct target *target, const struct stray *strays, uint32_t count);

/* The last look, at a process that has ended: of what its threads did since the one before only what the
   segment says is known. */
void wall_end(struct target *target, int64_t ended_ns);

/* CPU time that was drained: of the threads with this name, in this stack. */
void wall_cpu(struct target *target, uint32_t name, const struct stack *stack, int64_t ns);

/* Hands on what the looks have seen since the last round. */
void wall_drain(struct target *target);

/* CPU time, of threads with this name, that another uploader handed on before it died. The times beside it
   are gone with that one: the next wall_drain() gives them to a frame that says so, for the session's
   profile. */
void wall_cpu_before(struct target *target, uint32_t name, int64_t ns);

/* Every live thread as it was at the last look, into the threads profile. */
void wall_drain_threads(struct target *target);

/* CLOCK_MONOTONIC of the last look: until then times are accounted for, once they are drained. */
int64_t wall_until(const struct wall *wall);

/* The other one was drained: times go on from where it ended. */
void wall_resume(struct wall *wall, const struct wall *old);

#endif
