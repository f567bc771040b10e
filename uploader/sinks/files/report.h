/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.html of a session: the page (uploader/page/) with the files that lie beside it, of all programs of the session
 * and of its newest intervals. It remembers the programs only; profiles are read back from the disk. What its bounds
 * leave out is counted and shown in it. One thread only.
 */
#ifndef CPROF_UPLOADER_REPORT_H
#define CPROF_UPLOADER_REPORT_H

#include <stdio.h>

#include "intervals.h"
#include "uploader/upload/sink.h"

struct report;

struct report *report_new(void);
void report_free(struct report *report);

/* upload's program has files in this directory. 0 or -ENOMEM. */
int report_note(struct report *report, const struct upload *upload, const char *directory);

/* Writes all of it to `to`. out: the descriptor of OUT. 0 or negative errno. */
int report_write(const struct report *report, const struct intervals *intervals, int out, FILE *to);

#endif
