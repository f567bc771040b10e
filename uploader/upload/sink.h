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

#include "uploader/base/durations.h"
#include "uploader/options/options.h"
#include "uploader/profile/profile.h"
#include "uploader/programs/facts.h"
#include "uploader/programs/names.h"

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
    const struct process_facts *facts;  /* of the processes of the interval; NULL: none */
    const char *const *comments;        /* of the interval, NULL-terminated */
    const char *const *merged_comments; /* of the session */
    bool final;                         /* the last one of this program's last process, for now */
};

/* What came of a request. X(id, name, text): name is the label of a metric, text explains it to users. */
#define SINK_OUTCOMES(X)                                                                                     \
    X(TAKEN, "taken", "the server has it")                                                                   \
    X(LATER, "later", "the server asks for a pause or is not ready (408, 429, 502 to 504); tried again")     \
    X(FAILED, "failed", "an error inside the server (other 5xx); tried again a few times")                   \
    X(DENIED, "denied", "access is denied (401, 403)")                                                       \
    X(REFUSED, "refused", "refused for good (other 4xx), too large, or led elsewhere (3xx)")                 \
    X(NO_ANSWER, "no_answer", "no answer came; tried again")
/* Why a profile is never sent. */
#define SINK_DROPS(X)                                                                                        \
    X(REFUSED, "refused", "the server has refused it for good, or failed over it too often")                 \
    X(FULL, "full", "there was no room for it, in memory or in the spool")                                   \
    X(OLD, "old", "it waited for too long")                                                                  \
    X(DAMAGED, "damaged", "its file in the spool was damaged")                                               \
    X(END, "end", "the uploader ended before it could be sent")
#define X(id, name, text) SINK_##id,
enum sink_outcome { SINK_OUTCOMES(X) SINK_OUTCOME_COUNT };
#undef X
#define X(id, name, text) SINK_DROP_##id,
enum sink_drop { SINK_DROPS(X) SINK_DROP_COUNT };
#undef X

/* What a sink that pushes has done so far, and what waits. */
struct sink_figures {
    uint64_t requests[SINK_OUTCOME_COUNT];
    uint64_t dropped[SINK_DROP_COUNT];    /* profiles */
    uint64_t bytes;                       /* of bodies, as sent */
    uint64_t partly;                      /* requests that were taken, but not all that was in them */
    struct durations duration;            /* of requests that were answered */
    uint64_t queue_profiles, queue_bytes; /* in memory */
    uint64_t spool_files, spool_bytes;    /* on disk */
    uint64_t spool_errors;                /* profiles that could not be written to it */
    uint64_t spool_limit;                 /* bytes; 0: there is no spool */
    int64_t oldest_ns;                    /* age of the oldest that waits anywhere; 0: none does */
};

struct sink;
struct sink_ops {
    const char *name;
    int (*take)(struct sink *sink, const struct upload *upload); /* 0 or negative errno (already logged) */
    /* Sends what is queued. Called every 200 ms or so, and when wait_ms > 0 at the end: then it may wait that
       long in all. Returns what is still queued. */
    unsigned (*work)(struct sink *sink, unsigned wait_ms);
    void (*free)(struct sink *sink);
    /* For /metrics, at any time. NULL: it pushes nothing. figures is zero before. */
    void (*get_figures)(const struct sink *sink, struct sink_figures *figures);
    /* Called before the samples of what it took are acknowledged. After that it outlives this process, if the sink
       can do that. NULL: it cannot. */
    void (*settle)(struct sink *sink);
    /* When work() has something to do (CLOCK_MONOTONIC): 0 while requests are under way, INT64_MAX: nothing. NULL: as
       INT64_MAX. */
    int64_t (*next_ns)(const struct sink *sink);
};
struct sink {
    const struct sink_ops *ops;
};

/* Each returns NULL where its options say that it is not wanted, or after it logged why it cannot be. */
struct sink *sink_files_new(const struct options *options);
struct sink *sink_pyroscope_new(const struct options *options);
struct sink *sink_otlp_new(const struct options *options);

/* Where a sink for files writes to, borrowed; -1: it is none. */
int sink_files_directory(const struct sink *sink);

#endif
