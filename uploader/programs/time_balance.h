/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the times of all threads of one name are made to add up. What wall samples saw is an estimate. What the CPU
 * profile and the kernel counted is exact. Time of a thread whose state is not known is unseen, and never counts
 * as a state that a reader would draw conclusions from.
 */
#ifndef CPROF_UPLOADER_TIME_BALANCE_H
#define CPROF_UPLOADER_TIME_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

struct time_balance {
    int64_t running_ns, blocked_ns, unseen_ns; /* by wall samples; their sum is what the threads lived */
    int64_t running_samples, blocked_samples;
    int64_t queued_ns;  /* runnable without a CPU, as the kernel counts it */
    int64_t cpu_ns;     /* as the CPU profile counts it */
    int64_t untimed_ns; /* CPU time of threads without a timer, as the kernel counts it */
};

/* The result, beside the CPU profile's own stacks. */
struct time_settled {
    double scale;       /* by which each time in a wait is multiplied */
    int64_t running_ns; /* on a CPU, in an unknown stack */
    int64_t queued_ns;
    int64_t unseen_ns;
};

/* Stops at the end of the range: some times come from memory that the target can write. */
void time_add(int64_t *sum, int64_t ns);

int64_t time_balance_total(const struct time_balance *balance);

/* has_cpu: the CPU profile was recorded, with this period. */
void time_balance_settle(const struct time_balance *balance, bool has_cpu, int64_t period_ns,
                         struct time_settled *settled);

#endif
