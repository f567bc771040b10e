/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages. Each is one line "cprof: ...". It goes to CPROF_LOG; else to OUT/cprof.log if it is a warning. In the
 * foreground, warnings also go to stderr. The same warning is written once a minute at most. Before log_open() there is
 * stderr in the foreground, and nothing else. One thread only.
 */
#ifndef CPROF_UPLOADER_LOG_H
#define CPROF_UPLOADER_LOG_H

struct options;

void log_open(const struct options *options);

/* From now on warnings and failures go to this function, and nothing is written. NULL: as before. */
void log_divert(void (*take)(const char *line, void *context), void *context);

/* As printf(). The newline is added. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same warning about something else is another one. */
void log_warn_of(const void *about, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For the log as a warning is, each time, and never for stderr: what somebody has switched. */
void log_event(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A warning that nothing will be written. It also goes to the stderr of the target that has just started this
   uploader. */
void log_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
