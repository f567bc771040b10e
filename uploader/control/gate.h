/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a session records: CPROF_KILL_SWITCH and CPROF_SCHEDULE for all of it, CPROF_START_DELAY and CPROF_DURATION for
 * each process. One thread only.
 */
#ifndef CPROF_UPLOADER_GATE_H
#define CPROF_UPLOADER_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/schedule.h"
#include "uploader/options/options.h"

struct gate {
    const char *kill_switch; /* "": none; of options */
    const char *schedule_text;
    struct schedule schedule;
    bool is_killed;    /* the file is there: nothing is recorded, whatever else is said */
    bool is_scheduled; /* the schedule says so */
    int64_t next_ns;   /* CLOCK_MONOTONIC when the schedule says something else, or is to be asked again */
};

/* Looks for the first time. */
void gate_open(struct gate *gate, const struct options *options);

/* Looks at the file and the clock. true: something has changed, and a line in the log says what. */
bool gate_look(struct gate *gate, int64_t now_ns);

/* How to call the state in one line. */
const char *gate_text(const struct gate *gate);

#endif
