/* SPDX-License-Identifier: Apache-2.0 */
/* The profiles of a directory: of a session, of one of its programs, or any. One thread only. */
#ifndef CPROF_ANALYSIS_FIND_H
#define CPROF_ANALYSIS_FIND_H

#include <stdbool.h>
#include <stdint.h>

enum { FIND_PATH = 4096 };

/* program and kind: as the session's names say; NULL: the file says. 0 goes on. */
typedef int find_file(void *context, const char *path, const char *program, const char *kind);

/* Calls found() for each file in the order of names: not for those of intervals. 0; -errno of the directory; or what found()
   returned. */
int find_files(const char *directory, find_file *found, void *context);

/* The files of one program's and kind's intervals, in directory/intervals. */
typedef int find_interval(void *context, const char *path, int64_t start_ms);
int find_intervals(const char *file, const char *kind, find_interval *found, void *context);

/* A run is a directory of a session or of one of its programs, or a file. Calls found() for each that the path holds: of a
   directory without profiles, what the directories in it hold; of a directory with files of others, each file; else the
   path itself. */
typedef int find_run(void *context, const char *path);
int find_runs(const char *path, find_run *found, void *context);

#endif
