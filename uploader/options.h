/* SPDX-License-Identifier: Apache-2.0 */
/* What one uploader was told: the settings table, and what only the uploader knows. Immutable after start. */
#ifndef CPROF_UPLOADER_OPTIONS_H
#define CPROF_UPLOADER_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "../sampler/layout.h"

#define CPROF_VERSION "0.1.0"

struct options {
    struct settings settings;  /* of the uploader's own environment */
    char out[4096];            /* absolute directory, or "" */
    char socket[108];          /* the session's name; '@' first: abstract */
    int segment_fd;            /* -1, or a segment handed over by the program that started us */
    pid_t segment_pid;         /* its process */
    bool foreground;           /* under the launcher: messages go to stderr, too */
};

/* log.c: one line "cprof: ..." to CPROF_LOG (else OUT/cprof.log at warning level, else nowhere), and in the foreground
   to stderr for warnings. printf-like; adds the newline. Safe before log_open() (stderr in the foreground, else
   nowhere). The same warning is written once a minute at most. */
void log_open(const struct options *options);
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
