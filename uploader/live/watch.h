/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For those who watch a session (cprof top, cprof report --live): what was recorded from one frame to the next, of each
 * program and kind. A watch taps the programs, so a frame costs what is new and not what there is. One thread only.
 *
 * All kinds are summed up to totals. Profiles are gathered only of the kinds that the last frame asked for.
 */
#ifndef CPROF_UPLOADER_LIVE_WATCH_H
#define CPROF_UPLOADER_LIVE_WATCH_H

#include <stdio.h>

#include "uploader/programs/programs.h"
#include "uploader/programs/tap.h"
#include "uploader/pull/selection.h"

/* What all of a session hold together has ceilings. */
enum { WATCHES_MOST = 8, WATCHES_SAMPLES = 60000, WATCH_PAST_BYTES = 4 << 20 /* of files of intervals */ };
struct watches {
    struct programs *programs;
    unsigned count;
    size_t samples;
};

/* What a frame is to have, and the next one. */
struct watch_wanted {
    uint32_t kinds;   /* bits of enum profile_kind_id: since the last frame */
    uint32_t whole;   /* likewise: of the session so far */
    bool with_states; /* with the first, as it is now: blocks in use, threads */
    bool past;        /* the intervals of the session so far, and the one that is not over, of all kinds */
    struct selection selection;
};

struct watch;

/* NULL: there are too many, or there is no memory. */
struct watch *watch_open(struct watches *watches);
void watch_close(struct watch *watch);

/* A new frame: of what was gathered since the last one. */
void watch_turn(struct watch *watch, const struct watch_wanted *wanted);

/* CLOCK_MONOTONIC of the last two turns. */
int64_t watch_since(const struct watch *watch);
int64_t watch_until(const struct watch *watch);

/* Lines "total PROGRAM KIND VALUE...", tabs between, with the program's number: what was added since the last frame. */
void watch_put_totals(const struct watch *watch, FILE *out);

struct watch_part {
    const struct program *program;
    enum profile_kind_id kind;
    bool is_whole;
    int64_t start_ns, end_ns; /* CLOCK_REALTIME. end_ns 0: the profile says it */
    uint8_t *data;            /* pprof, gzip; malloc'ed and the caller's */
    size_t size;
};

/* The next profile of the frame. false: there is none. */
bool watch_next(struct watch *watch, struct watch_part *part);

#endif
