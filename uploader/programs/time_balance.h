/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the times of the threads of one name are made to add up: what looks have seen is an estimate, what the
 * CPU profile and the kernel have counted is not. A look that could not tell what a thread did adds to what
 * is unseen, and never to a state that somebody would read something into.
 */
#ifndef CPROF_UPLOADER_TIMES_H
#define CPROF_UPLOADER_TIMES_H

#include <stdbool.h>
#include <stdint.h>

struct times {
    int64_t running_ns, blocked_ns, unseen_ns; /* as looks saw it; their sum is what the threads lived */
    int64_t running_looks, blocked_looks;
    int64_t queued_ns;  /* runnable without a CPU, as the kernel counts it */
    int64_t cpu_ns;     /* as the CPU profile counts it */
    int64_t untimed_ns; /* CPU time of threads without a timer, as the kernel counts it */
};

/* What is made of it, beside the CPU profile's own stacks. */
struct times_settled {
    double scale;       /* of each time that was seen blocked */
    int64_t running_ns; /* on a CPU, in a stack that nobody knows */
    int64_t queued_ns;
    int64_t unseen_ns;
};

/* Some of the times come from memory that the target can write: sums stop at the end of their range. */
void times_add(int64_t *sum, int64_t ns);

int64_t times_total(const struct times *times);

/* has_cpu: the CPU profile was recorded, with this period. */
void times_settle(const struct times *times, bool has_cpu, int64_t period_ns, struct times_settled *settled);

#endif
