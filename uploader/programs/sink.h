/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where profiles go. A sink takes, for one program of the session, the profiles of one interval
 * (differences) and of the whole session so far. It must be done with them when it returns, so network sinks
 * encode and queue. Only waiting for the network may take long, and that never inside take(). One thread
 * only.
 */
#ifndef CPROF_UPLOADER_SINK_H
#define CPROF_UPLOADER_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"
#include "uploader/options/options.h"
#include "uploader/profile/profile.h"

enum { UPLOAD_PATH = sizeof(((struct options *)0)->out) + DIRECTORY_NAME_BYTES + 8 };

/* One program's share of one interval. Everything is borrowed for the call. */
struct upload {
    unsigned number;             /* 0, 1, 2 ...: of the program in its session */
    const struct program_id *id; /* names the directory */
    const char *program;         /* last part of the executable's path */
    const char *service;         /* CPROF_NAME, else the program */
    const char *labels;          /* CPROF_LABELS */
    char *path; /* UPLOAD_PATH bytes, "" so far: the sink of files writes here where the program's are */
    int64_t start_ns, end_ns;                 /* CLOCK_REALTIME, of the interval */
    int64_t session_start_ns;                 /* of the merged profiles */
    const struct profile *interval[KIND_IDS]; /* NULL: nothing of this kind */
    const struct profile *merged[KIND_IDS];   /* NULL: nothing of this kind */
    int64_t period[KIND_IDS];
    const char *const *comments;        /* of the interval, NULL-terminated */
    const char *const *merged_comments; /* of the session */
    bool final;                         /* the last one of this program's last process, for now */
};

struct sink;
struct sink_ops {
    const char *name;
    int (*take)(struct sink *sink, const struct upload *upload); /* 0 or negative errno (already logged) */
    /* Sends what is queued. Called every 200 ms or so, and when wait_ms > 0 at the end: then it may wait that
       long in all. Returns what is still queued. */
    unsigned (*work)(struct sink *sink, unsigned wait_ms);
    void (*free)(struct sink *sink);
};
struct sink {
    const struct sink_ops *ops;
};

/* Each returns NULL where its options say that it is not wanted, or after it logged why it cannot be. */
struct sink *sink_files_new(const struct options *options);
struct sink *sink_pyroscope_new(const struct options *options);

/* Where a sink for files writes to, borrowed; -1: it is none. */
int sink_files_directory(const struct sink *sink);

#endif
