/* SPDX-License-Identifier: Apache-2.0 */
/* What people call a type of a profile, and the way back: files of other formats have it as the name of a profile. Pure. */
#ifndef CPROF_ANALYSIS_TITLES_H
#define CPROF_ANALYSIS_TITLES_H

#include <stddef.h>

#include "analysis/tables/reading.h"

enum { TITLE_BYTES = 512 };

/* "PROGRAM: CPU time, THREAD"; program and thread may be "". Foreign types: "PROGRAM: goroutine (count)". */
void title_write(char title[TITLE_BYTES], const struct read_profile *profile, unsigned type,
                 const char *thread);

/* What a title says. Texts that are cut out of it have no more bytes than it. */
struct title {
    char program[TITLE_BYTES], thread[TITLE_BYTES];
    const char *kind;
    const struct read_type *types; /* all types of the kind */
    unsigned count, type;
};

/* 0, or -ENOENT if the text is no title of ours. */
int title_parse(struct title *title, const char *text);

#endif
