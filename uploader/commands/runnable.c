/* SPDX-License-Identifier: Apache-2.0 */
#include "runnable.h"

#include <stdio.h>

enum { NOT_FOUND = 127, NOT_RUNNABLE = 126 };

_Static_assert((int)RUNNABLE_REASON == (int)DOCTOR_REASON, "one is handed on as the other");

int runnable_check(const char *name, char path[PATH_MAX], char reason[RUNNABLE_REASON])
{
    static const int status[] = {[DOCTOR_FINE] = 0,
                                 [DOCTOR_UNSEEN] = RUNNABLE_UNSEEN,
                                 [DOCTOR_BARE] = RUNNABLE_BARE,
                                 [DOCTOR_NOT_RUNNABLE] = NOT_RUNNABLE,
                                 [DOCTOR_NOT_FOUND] = NOT_FOUND};

    return status[doctor_verdict(name, path, reason)];
}

int runnable_explain(const char *name)
{
    char path[PATH_MAX], reason[RUNNABLE_REASON];
    int status = runnable_check(name, path, reason);

    if (status > 0) {
        fprintf(stderr, "cprof: %s\n", reason);
        return status;
    }
    if (status) {
        printf("not profiled: %s\n", reason);
        if (status == RUNNABLE_UNSEEN)
            puts("  What it starts can be profiled.");
        return 1;
    }
    printf("%s can be profiled\n", path);
    if (*reason)
        printf("  C library: %s\n", reason);
    printf("  cprof doctor %s says what will be missing.\n", path);
    return 0;
}
