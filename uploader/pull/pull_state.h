/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. Included by them alone. */
#ifndef CPROF_UPLOADER_PULL_STATE_H
#define CPROF_UPLOADER_PULL_STATE_H

#include "collect.h"
#include "pull.h"

/* One name below /debug/pprof/. */
struct pull_row {
    const char *name;
    struct profile_kind kind; /* names of values and the one that is shown first, as Go has them */
    enum profile_kind_id id;
    bool is_timed; /* `seconds` has a default: it is of the next seconds only */
    const char *help;
};

enum { PULL_ROWS = 10 };
extern struct pull_row pull_rows[PULL_ROWS];

struct pull {
    struct pull_source source;
    struct deltas deltas;
    unsigned located; /* addresses that were looked up for /symbol, because each takes memory */
};

/* The rows that are made from others. */
void pull_rows_init(void);

#endif
