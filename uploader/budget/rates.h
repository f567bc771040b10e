/* SPDX-License-Identifier: Apache-2.0 */
/* Rates, and which profiles are recorded, as values: what is asked for, what is in force, and changes of them. */
#ifndef CPROF_UPLOADER_RATES_H
#define CPROF_UPLOADER_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

struct rates {
    uint32_t profiles;       /* bits of enum profile_type that are recorded */
    uint64_t cpu_period_ns;  /* of a thread's CPU time, between two samples; 0: none */
    uint64_t memory_rate;    /* bytes, on average, between two samples; 0: none */
    uint64_t mutex_fraction; /* one of so many contentions; 0: none */
    uint64_t block_rate_ns;  /* waits of that length and longer are all recorded; 0: none */
    uint64_t wall_period_ns; /* between two wall samples; 0: as often as the session takes them */
    uint32_t given;          /* bits of enum profile_type: rates that the budget leaves as they are */
};

/* Limits that any rate but 0 is brought into. */
enum { RATES_WALL_PERIOD_LEAST_NS = 1000000, RATES_CPU_PERIOD_LEAST_NS = 100000 };

/* What somebody wants otherwise. A profile that is turned on and whose rate is 0 gets the default rate. */
struct rates_change {
    uint32_t on, off; /* bits of enum profile_type; a bit in both is off */
    uint32_t rates;   /* bits of enum profile_type: which rates change (CPU, MEMORY, MUTEX, BLOCK, WALL), */
    struct rates to;  /* to these. They are given then, unless `loose` is set */
    bool loose;       /* the budget may lower them */
};

void rates_change(struct rates *rates, const struct rates_change *change);

/* The rate of a profile, in its own unit; NULL: it has none. */
uint64_t *rates_of(struct rates *rates, enum profile_type profile);

bool rates_are_same(const struct rates *a, const struct rates *b);

#endif
