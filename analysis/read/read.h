/* SPDX-License-Identifier: Apache-2.0 */
/* Files in pprof's format become tables: one file, or all that a directory holds. One thread only for one reading. */
#ifndef CPROF_ANALYSIS_READ_H
#define CPROF_ANALYSIS_READ_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/tables/reading.h"

/*
 * Adds what the path names: a file (gzipped or not); "-" for standard input; a directory of a session, of one of its
 * programs, or of any pprof files. Intervals of a session are listed and not added. A file of a directory that is no
 * profile is passed over if another one is. 0, or negative errno with the reason in error; -ENODATA: there is no profile.
 */
int reading_add(struct reading *reading, const char *path);

/* Adds the bytes of one file, whose name is for messages and for guesses of the kind. */
int reading_add_bytes(struct reading *reading, const char *name, const uint8_t *data, size_t size);

#endif
