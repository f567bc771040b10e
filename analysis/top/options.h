/* SPDX-License-Identifier: Apache-2.0 */
/* The options of cprof top. */
#ifndef CPROF_ANALYSIS_TOP_OPTIONS_H
#define CPROF_ANALYSIS_TOP_OPTIONS_H

#include "analysis/live/link.h"
#include "analysis/top/model/views.h"

struct top_options {
    const char *session; /* NULL: to be found */
    struct link_wanted wanted;
    enum view_id view;
    int64_t interval_ns;
    unsigned rows; /* 0: as many as there is room for */
    bool once;
};

/* 0; 1: help was printed; -EINVAL after a line on stderr. */
int top_options(int argc, char **argv, struct top_options *options);

#endif
