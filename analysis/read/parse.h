/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pprof file's bytes, entered in the tables of a reading. The bytes are walked in passes over the top-level fields:
 * what there is and how much, then texts, then modules, functions and locations, then samples. So nothing of the file is
 * kept twice, and the order of its fields does not matter.
 */
#ifndef CPROF_ANALYSIS_PARSE_H
#define CPROF_ANALYSIS_PARSE_H

#include "analysis/tables/reading.h"

/* data: unpacked. name: for messages. 0 or negative errno with the reason in reading->error. */
int parse_profile(struct reading *reading, const char *name, const uint8_t *data, size_t size);

/* The kind that these types are of, guessed by their names and by the file's. Interned or constant. */
const char *kind_of(const struct read_type *type, unsigned types, const char *name);

#endif
