/* SPDX-License-Identifier: Apache-2.0 */
/* What each function costs, itself and with what it calls. Pure; one thread only. */
#ifndef CPROF_ANALYSIS_ROWS_H
#define CPROF_ANALYSIS_ROWS_H

#include "reading.h"

struct read_row {
    int64_t own, cumulative; /* recursion counts once */
};

/* A row per function of the profile, in a malloc'ed array; weight: a value per sample. NULL without memory. */
struct read_row *read_rows(const struct read_profile *profile, const int64_t *weight);

/* The same for one type of the profile. */
struct read_row *read_type_rows(const struct read_profile *profile, unsigned type);

#endif
