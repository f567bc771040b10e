/* SPDX-License-Identifier: Apache-2.0 */
/* Files of any format that is read, into one reading. One thread only. */
#ifndef CPROF_ANALYSIS_LOAD_H
#define CPROF_ANALYSIS_LOAD_H

#include "analysis/import/guess.h"
#include "analysis/tables/reading.h"

/* format FORMAT_UNKNOWN: by what is in it. 0, or negative errno with reading->error. */
int load_any(struct reading *reading, const char *path, enum format format);

/* The same out of memory. */
int load_bytes(struct reading *reading, const char *name, const uint8_t *data, size_t size,
               enum format format);

#endif
