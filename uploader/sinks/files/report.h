/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report: one HTML file that holds the profiles of every program of the session and what shows them
 * (report.html), and asks nothing of a network. It keeps a compact copy of each program's profiles, bounded;
 * what the bounds cut off is counted and shown in it. One thread only.
 */
#ifndef CPROF_UPLOADER_REPORT_H
#define CPROF_UPLOADER_REPORT_H

#include <stdio.h>

#include "uploader/programs/sink.h"

struct report;

struct report *report_new(void);
void report_free(struct report *report);

/* Takes the merged profiles of upload's program, in place of what was known of it. name: what no other
   program is called by, its directory. 0 or -ENOMEM. */
int report_update(struct report *report, const struct upload *upload, const char *name);

/* Writes all of it. 0, or -EIO with errors of out left as they are. */
int report_write(const struct report *report, FILE *out);

#endif
