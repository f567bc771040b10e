/* SPDX-License-Identifier: Apache-2.0 */
/* Can this program be profiled by preloading a library? Asked before it is started. */
#ifndef CPROF_UPLOADER_RUNNABLE_H
#define CPROF_UPLOADER_RUNNABLE_H

#include <limits.h>

#include "analysis/doctor/doctor.h"

enum { RUNNABLE_REASON = DOCTOR_REASON };

/* Programs that run, but cannot be profiled. UNSEEN: its loader ignores LD_PRELOAD, if it has one, but what it starts
   can be profiled. BARE: the library would be in its way, and must not be preloaded. */
enum { RUNNABLE_UNSEEN = -1, RUNNABLE_BARE = -2 };

/* Finds the program as a shell would: by PATH, unless the name has a slash. Returns 0 and its path, or one of the
   above, and why. Or returns the exit status that a shell would give, 127 (not found) or 126, and a reason. */
int runnable_check(const char *name, char path[PATH_MAX], char reason[RUNNABLE_REASON]);

/* Prints what runnable_check() says of the program: the short form of cprof doctor. Returns the exit status: 0 if it
   can be profiled, else 1, or what a shell would give. */
int runnable_explain(const char *name);

#endif
