/* SPDX-License-Identifier: Apache-2.0 */
/* cprof doctor: can this be profiled, and what will be missing? Nothing that is examined is run. */
#ifndef CPROF_ANALYSIS_DOCTOR_H
#define CPROF_ANALYSIS_DOCTOR_H

#include <limits.h>

/* The command. Returns its exit status: 0: all is well; 1: something will be missing; 2: nothing is profiled, or the
   arguments make no sense. */
int doctor_main(int argc, char **argv);

enum { DOCTOR_REASON = PATH_MAX + 512 };

/* What the launcher has to know before it starts a program. */
enum doctor_verdict {
    DOCTOR_FINE,
    DOCTOR_UNSEEN,       /* it runs, and its loader ignores LD_PRELOAD; what it starts can be profiled */
    DOCTOR_BARE,         /* it runs, and the library would be in its way, so it must not be preloaded */
    DOCTOR_NOT_RUNNABLE, /* a shell would say 126 */
    DOCTOR_NOT_FOUND     /* 127 */
};

/* Finds the program as a shell would, by PATH unless the name has a slash. reason: why, unless it is fine; else
   what its C library is, or "". */
enum doctor_verdict doctor_verdict(const char *name, char path[PATH_MAX], char reason[DOCTOR_REASON]);

#endif
