/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles in other formats. One thread only. */
#ifndef CPROF_ANALYSIS_WRITE_H
#define CPROF_ANALYSIS_WRITE_H

#include <stdio.h>

#include "analysis/tables/reading.h"

enum { ALL_TYPES = -1 };

/* What is to be written: profiles of a reading, and of each one type or all. */
struct chosen {
    struct read_profile *profile;
    int type;
};

struct choice {
    struct reading *reading;
    struct chosen *item;
    size_t count;
    const char *name; /* of the file or directory that it comes from */
    bool threads;     /* each thread by itself, in formats that do not know threads */
};

/* 0 or negative errno. Errors of the stream are the caller's to see. */
int folded_write(FILE *out, const struct choice *choice); /* one item */
int speedscope_write(FILE *out, const struct choice *choice);
int firefox_write(FILE *out, const struct choice *choice); /* one type of each */

/* One item. Compressed; *data is malloc'ed. */
int pprof_encode(const struct choice *choice, uint8_t **data, size_t *size);

#endif
