/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source files that profiles name, for a page that shows lines with their cost. Only if they are asked for: whoever gets
 * the page gets them. Paths in profiles are anybody's. So only files are taken whose names end as those of sources do.
 * One thread only.
 */
#ifndef CPROF_ANALYSIS_SOURCES_H
#define CPROF_ANALYSIS_SOURCES_H

#include "analysis/tables/index.h"
#include "analysis/tables/reading.h"
#include "uploader/page/page.h"

struct source {
    char *path;
    double share; /* of the totals of all profiles, in the functions of the file and below them */
};

/* Zero but for directory has no files. */
struct sources {
    const char *directory; /* where files may lie that are not where the profile says; NULL: nowhere */
    struct source *source;
    size_t count, room;
    struct index index; /* by path */
    size_t taken;       /* files that are in the page, after sources_put() */
};

/* Notes which files a profile names. 0 or -ENOMEM. */
int sources_note(struct sources *sources, const struct read_profile *profile);

/* Adds the texts of those that can be read to the page, after all profiles; those with the largest share first, until there
   is no room. */
void sources_put(struct sources *sources, struct page *page);

void sources_free(struct sources *sources);

#endif
