/* SPDX-License-Identifier: Apache-2.0 */
/* Which profiles of a reading are meant by --type and --program. One thread only. */
#ifndef CPROF_ANALYSIS_SELECT_H
#define CPROF_ANALYSIS_SELECT_H

#include <stdbool.h>

#include "analysis/export/write.h"

struct select_what {
    const char *type;    /* "cpu", "inuse_space", "block:delay"; NULL: all */
    const char *program; /* NULL: all */
    bool one_profile;    /* the format holds one profile, */
    bool one_type;       /* and of it one type; if none was named, the default one */
};

/* Fills choice->item, which is malloc'ed, with chosen profiles of choice->reading. 0, or negative errno with one line in
   reading->error. */
int select_profiles(struct choice *choice, const struct select_what *what);

#endif
