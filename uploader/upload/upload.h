/* SPDX-License-Identifier: Apache-2.0 */
/* When the profiles of a program go to the sinks, and what goes with them. One thread only. */
#ifndef CPROF_UPLOADER_UPLOAD_H
#define CPROF_UPLOADER_UPLOAD_H

#include "comments.h"
#include "sink.h"
#include "uploader/programs/programs.h"

/* Adds the times of short-lived processes since the last call. */
void program_settle_short_lived(struct program *program);

/* What goes to the sinks, as it is now. */
struct description {
    struct upload upload; /* points into this struct and to what the program has */
    struct comments interval, merged;
    char path[UPLOAD_PATH];
};

/* false: there is no sample yet. */
bool program_describe(struct program *program, unsigned parts, struct description *description);

/* Hands the session's profiles to the sinks. With PROGRAM_INTERVAL also those of the interval, and a new
   interval begins. */
void program_upload(struct program *program, unsigned parts);

/* Uploads what is due after processes ended. Files: a second later at most. The interval of a program
   whose last process ended: every few seconds at most. Returns when to ask again (CLOCK_MONOTONIC),
   INT64_MAX: not. */
int64_t programs_upload_due(struct programs *programs, int64_t now_ns);
void programs_upload_all(struct programs *programs);

/* What the sinks took is to outlive this process, as far as they can do that. */
void programs_settle(struct programs *programs);

/* Of programs of which nothing was recorded since their interval began, it begins now. */
void programs_skip_idle(struct programs *programs, int64_t now_ns);

/* true: sinks got something of at least one program. */
bool programs_have_been(const struct programs *programs);

/* Called at the session's end. If no program had a sample, a line says so. out: the directory, or "". */
void programs_explain_nothing(const struct programs *programs, const char *out);

#endif
