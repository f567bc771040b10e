/* SPDX-License-Identifier: Apache-2.0 */
/* What cprof top can show: one row per value of a profile. */
#ifndef CPROF_ANALYSIS_TOP_VIEWS_H
#define CPROF_ANALYSIS_TOP_VIEWS_H

#include <stdbool.h>
#include <stdint.h>

#include "uploader/profile/profile.h"

enum view_id {
    VIEW_CPU,
    VIEW_ALLOC,
    VIEW_ALLOC_BLOCKS,
    VIEW_LIVE,
    VIEW_LIVE_BLOCKS,
    VIEW_MUTEX,
    VIEW_CONTENTIONS,
    VIEW_BLOCK,
    VIEW_EVENTS,
    VIEW_WALL,
    VIEW_OFF_CPU,
    VIEW_THREADS,
    VIEW_CREATED,
    VIEWS
};

struct view {
    const char *name;  /* of --type and of the line of types */
    const char *title; /* "Allocated bytes" */
    enum profile_kind_id kind;
    unsigned value;
};
extern const struct view views[VIEWS];

/* "bytes", "nanoseconds", "count" */
const char *view_unit(enum view_id id);

/* It is what is there now, and not what was added. */
bool view_is_state(enum view_id id);

/* By name, by the name of a kind, or of a kind's value such as inuse_space. -1: there is none. */
int view_find(const char *name);

#endif
