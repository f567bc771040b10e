/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of programs that share a name and a service, added up. Programs that differ in labels alone have one row. The
 * first METRICS_PROGRAMS have rows of their own, so a row stays the same program's as long as the session lives, and
 * its counters never go back. One thread only.
 */
#ifndef CPROF_UPLOADER_METRICS_ROWS_H
#define CPROF_UPLOADER_METRICS_ROWS_H

#include "metrics.h"
#include "uploader/budget/budget.h"

struct metrics_row {
    const char *program, *service; /* interned */
    struct program_counts counts;
    struct resident resident; /* of live processes */
    uint64_t cpu_ns, joined, alive, rates_lowered;
    int64_t cost_ns[COSTS];          /* of profiling */
    double overhead, overhead_limit; /* shares; the largest of the live programs */
    uint64_t recording[PROFILES];    /* live processes that record it */
    struct rates rates;              /* in force; of several processes the ones with the fewest samples */
};

struct metrics {
    const struct programs *programs;
    struct metrics_row row[METRICS_PROGRAMS + 1]; /* the last one: all others */
    size_t rows;
    unsigned *row_of; /* by number of the program */
};

#endif
