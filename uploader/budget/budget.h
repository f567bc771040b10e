/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overhead budget of one program: what profiling may take of its CPU time (CPROF_MAX_OVERHEAD), and how far its
 * rates are lowered to hold that. Pure: whoever measures adds to `costs`, and asks for a step once a second.
 *
 * Overhead is the time that profiling took, in the program and in the uploader for it, divided by the program's own
 * CPU time. A program that uses less than a quarter of a CPU counts as if it used so much. Otherwise the little that
 * the look at a sleeping program takes would be a large share of nothing.
 *
 * Rates are lowered by steps of two, as many as are needed, where they cost most. One is raised again, by one step, after
 * eight seconds in which there was room for it.
 */
#ifndef CPROF_UPLOADER_BUDGET_H
#define CPROF_UPLOADER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "rates.h"

/* What profiling takes. READING: of the uploader, besides wall samples: tables, names, profiles. */
enum cost { COST_CPU, COST_MEMORY, COST_MUTEX, COST_BLOCK, COST_WALL, COST_READING, COSTS };

struct costs {
    int64_t ns[COSTS];
    int64_t cpu_ns; /* the program's CPU time, all of it */
};

struct budget {
    struct costs costs;        /* so far, of all its processes */
    struct costs before;       /* at the last step */
    int64_t step_ns;           /* CLOCK_MONOTONIC of that; 0: there was none */
    double share;              /* overhead in the span before it */
    double reading_ns;         /* COST_READING a second, averaged over a minute: names are looked up once */
    double wall_ns;            /* COST_WALL, over a quarter of one: a thread's stack is walked once a wait */
    uint32_t limit_ppm;        /* millionths; 0: none */
    uint8_t lowered[PROFILES]; /* the rate of this profile is that power of two lower than it was asked for */
    uint8_t calm;              /* steps in succession that had room for a higher rate */
    bool by_samples;           /* samples alone took more than the limit in that span */
    bool is_beyond; /* what no rate changes, or given rates, took more than the limit in that span */
    bool was_told, was_warned; /* the caller has said of is_beyond, of by_samples */
    unsigned changes;          /* times that rates were lowered */
};

/* After another second. asked: what its processes were asked for. true: `lowered` has changed. */
bool budget_step(struct budget *budget, const struct rates *asked, int64_t now_ns);

/* Lowers what was asked for as far as the budget wants it. Never below what keeps a profile useful: 10 CPU samples a
   second, one allocation in 32 MiB, one contention in 1,000, waits of a second, one wall sample a second. */
void budget_lower(const struct budget *budget, struct rates *rates, int64_t usual_wall_period_ns);

/* Overhead since the program began, as a share of its CPU time (see above); of the last second: budget->share. */
double budget_share(const struct budget *budget, int64_t lived_ns);

/* Its costs so far, all of them; ns. */
int64_t budget_cost(const struct budget *budget);

/* "cpu 4, memory 16 times rarer"; false: nothing is lowered. */
enum { BUDGET_TEXT = 160 };
bool budget_text(const struct budget *budget, char text[BUDGET_TEXT]);

#endif
