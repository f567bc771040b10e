/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPROF_SCHEDULE: when profiles are recorded. A comma list of
 *
 *     ON/EVERY     so long at the beginning of each EVERY, counted from midnight UTC of 1970-01-01: 1m/10m
 *     HH:MM-HH:MM  a time of day, also past midnight; 24:00 is the day's end
 *
 * Something is recorded while any of them says so. No call of anything.
 */
#ifndef CPROF_SAMPLER_SCHEDULE_H
#define CPROF_SAMPLER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

enum { SCHEDULE_PARTS = 16 };
struct schedule_part {
    uint64_t on_ns, every_ns; /* every_ns 0: a time of day, */
    uint32_t from_s, to_s;    /* seconds of the day */
};
struct schedule {
    struct schedule_part part[SCHEDULE_PARTS];
    unsigned parts; /* 0: always */
};

/* 0, or -EINVAL with *schedule untouched. schedule may be NULL. */
int schedule_parse(const char *text, struct schedule *schedule);

/* now_ns: CLOCK_REALTIME; day_s: seconds of the local day at that time. *next_ns: the time until which the answer
   holds at least; not more than a day ahead. */
bool schedule_is_on(const struct schedule *schedule, uint64_t now_ns, uint32_t day_s, uint64_t *next_ns);

#endif
