/* SPDX-License-Identifier: Apache-2.0 */
/* When the profiles of a program go to the sinks, and what goes with them. One thread only. */
#ifndef CPROF_UPLOADER_UPLOAD_H
#define CPROF_UPLOADER_UPLOAD_H

#include "programs.h"

/* Adds the times of short-lived processes that came since the last time. */
void program_settle_short_lived(struct program *program);

/* Hands the session so far to the sinks, and with PROGRAM_INTERVAL the interval as well: a new one begins. */
void program_upload(struct program *program, unsigned parts);

/* What is due after processes ended: files at most a second later, however many end in it; the interval after
   a program's last process, at most every few seconds. Returns when to ask again (CLOCK_MONOTONIC),
   INT64_MAX: not. */
int64_t programs_upload_due(struct programs *programs, int64_t now_ns);
void programs_upload_all(struct programs *programs);

/* Something of any of them was handed to the sinks. */
bool programs_have_been(const struct programs *programs);

/* At the session's end: where none of its programs had a sample, a line says so. out: the directory, or "".
 */
void programs_explain_nothing(const struct programs *programs, const char *out);

#endif
