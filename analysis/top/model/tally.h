/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions with their values: of the last interval, and since the start. Profiles are added to it frame by frame. One
 * thread only.
 */
#ifndef CPROF_ANALYSIS_TOP_TALLY_H
#define CPROF_ANALYSIS_TOP_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/tables/reading.h"
#include "uploader/profile/profile.h"

/* Functions told apart. Further ones are one. */
enum { TALLY_ROWS = 100000 };

/* A function of a program. own: in the function itself; cum: with those that it calls. */
struct tally_row {
    const char *name, *module, *file; /* interned; module: without directories */
    unsigned program;
    double now_own[PROFILE_VALUES], now_cum[PROFILE_VALUES];
    double own[PROFILE_VALUES], cum[PROFILE_VALUES]; /* since the start; of states: at the start */
    size_t seen;                                     /* the last sample that it was counted in */
};

struct tally_total {
    unsigned program;
    double now[PROFILE_VALUES], all[PROFILE_VALUES];
};

struct tally {
    enum profile_kind_id kind;
    bool by_caller; /* own values are those of who called the threads' library */
    struct store texts;
    struct hash by_key;
    struct tally_row **row;
    size_t rows, room;
    struct tally_total *total;
    size_t totals, total_room;
    size_t samples;           /* that were looked at, ever */
    struct tally_row *others; /* beyond TALLY_ROWS; NULL: none */
};

/* Empty, of another kind. */
void tally_reset(struct tally *tally, enum profile_kind_id kind);
void tally_free(struct tally *tally);

/* A new interval: `now` is 0. */
void tally_turn(struct tally *tally);

/* Adds a profile. is_whole: of the session so far, else of the interval, which is added to both. 0 or -ENOMEM. */
int tally_add(struct tally *tally, unsigned program, const struct read_profile *profile, bool is_whole);

#endif
