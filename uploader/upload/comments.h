/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile says beside its samples: rates, counts, and what was lost or cut. One thread only. */
#ifndef CPROF_UPLOADER_COMMENTS_H
#define CPROF_UPLOADER_COMMENTS_H

#include "uploader/programs/programs.h"

typedef void loss_line(uint64_t n, const char *text, void *context);

/* Calls line() for each thing that was lost or cut. */
void program_each_loss(const struct program_counts *counts, loss_line *line, void *context);

/* The same for what is not told apart because of the session's ceilings. */
void programs_each_ceiling(const struct programs *programs, loss_line *line, void *context);

enum { COMMENTS = COUNTERS + 34 + PROGRAMS_NOTES, COMMENT_SIZE = 192 };
struct comments {
    const char *line[COMMENTS + 1]; /* NULL-terminated, in text */
    char text[COMMENTS][COMMENT_SIZE];
    unsigned count;
};

/* merged: of the session so far, else of the interval. */
void comments_make(struct comments *comments, const struct program *program, bool merged,
                   int64_t duration_ns);

#endif
