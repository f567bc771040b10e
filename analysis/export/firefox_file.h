/* SPDX-License-Identifier: Apache-2.0 */
/* A file of Firefox Profiler that is being written: its tables, which all threads share. One thread only. */
#ifndef CPROF_ANALYSIS_FIREFOX_FILE_H
#define CPROF_ANALYSIS_FIREFOX_FILE_H

#include <stdio.h>

#include "moments.h"
#include "uploader/base/ids.h"

struct firefox_part {
    struct read_profile *profile;
    unsigned type;
    struct moments moments;
    uint32_t functions, frames, nodes; /* numbers of the first ones in the file's tables */
};

struct firefox_file {
    FILE *out;
    struct firefox_part *part;
    size_t parts;
    int64_t start_ms, end_ms;
    struct text_ids strings, libs;
    unsigned threads;
};

/* Gives each text, library and part its number. 0 or -ENOMEM. */
int firefox_number_all(struct firefox_file *file);

/* Everything before the threads. name: what the profile is of. */
void firefox_put_head(struct firefox_file *file, const char *name);

#endif
