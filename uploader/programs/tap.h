/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever asks for the profile of the next N seconds taps the programs: from then on it is given everything that is added to
 * the profiles of intervals. So it needs no copy of what was there before. One thread only.
 */
#ifndef CPROF_UPLOADER_TAP_H
#define CPROF_UPLOADER_TAP_H

#include "programs.h"

struct tap {
    /* State values (inuse_*, threads) come as they are set anew at each round: they are for the receiver to leave out. */
    void (*add)(struct tap *tap, const struct program *program, enum profile_kind_id kind,
                const struct profile_sample *sample);
    struct tap *next, **link;
};

/* tap is borrowed until tap_close(). */
void tap_open(struct programs *programs, struct tap *tap);
void tap_close(struct tap *tap);

#endif
