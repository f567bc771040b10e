/* SPDX-License-Identifier: Apache-2.0 */
/* Can this program be profiled by preloading a library? Asked before it is started. */
#ifndef CPROF_UPLOADER_RUNNABLE_H
#define CPROF_UPLOADER_RUNNABLE_H

#include <limits.h>

enum { RUNNABLE_REASON = PATH_MAX + 256 };

/* Finds the program as a shell would: by PATH, unless the name has a slash. Returns 0 and its path. Or
   returns the exit status that a shell would give, 127 (not found) or 126, and a reason in one line. */
int runnable_check(const char *name, char path[PATH_MAX], char reason[RUNNABLE_REASON]);

#endif
