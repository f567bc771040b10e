/* SPDX-License-Identifier: Apache-2.0 */
/* Can this program be profiled by preloading a library? Asked before it is started. */
#ifndef CPROF_UPLOADER_RUNNABLE_H
#define CPROF_UPLOADER_RUNNABLE_H

#include <limits.h>

enum { RUNNABLE_REASON = PATH_MAX + 256 };

/* Finds name as a shell would (PATH, unless it has a slash). Returns 0 with its path; or the exit status that
   a shell would give, 127 (not found) or 126, with a reason in one line. */
int runnable_check(const char *name, char path[PATH_MAX], char reason[RUNNABLE_REASON]);

#endif
