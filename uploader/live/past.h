/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intervals of a program that its files have: what the time line of a page begins with that was opened later than the
 * session. The newest ones, up to a size. Files of earlier sessions are none. One thread only.
 */
#ifndef CPROF_UPLOADER_LIVE_PAST_H
#define CPROF_UPLOADER_LIVE_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/programs/programs.h"

struct past_file {
    int64_t stamp_ms;
    enum profile_kind_id kind;
    size_t size;
    uint8_t *data; /* malloc'ed; past_next() gives it away */
};

struct past {
    int directory; /* -1: none */
    struct past_file *file;
    size_t count, room;
};

/* room: bytes of all files that past_next() will give. */
void past_open(struct past *past, const struct program *program, size_t room);

/* The newest first. false: there is no more. One that somebody removed is left out. */
bool past_next(struct past *past, struct past_file *file);
void past_close(struct past *past);

#endif
