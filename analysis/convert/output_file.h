/* SPDX-License-Identifier: Apache-2.0 */
/* Where converted profiles go. One thread only. */
#ifndef CPROF_ANALYSIS_OUTPUT_FILE_H
#define CPROF_ANALYSIS_OUTPUT_FILE_H

#include "analysis/export/write.h"
#include "analysis/import/guess.h"

/* path NULL: standard output; a directory: a file PROGRAM/TYPE.pb.gz for each profile. A file that fails is removed. 0, or
   negative errno with one line in choice->reading->error. */
int output_write(const struct choice *choice, enum format format, const char *path);

#endif
