/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of an outbox share. Nobody else includes this. */
#ifndef CPROF_UPLOADER_OUTBOX_STATE_H
#define CPROF_UPLOADER_OUTBOX_STATE_H

#include "outbox.h"
#include "uploader/sinks/http/http.h"
#include "uploader/sinks/spool/spool.h"

enum item_place {
    IN_MEMORY,
    IN_DRAFT, /* in memory, and in the spool as a draft */
    ON_DISK,
};

/* One request. */
struct item {
    struct item *next; /* by time */
    struct outbox *owner;
    struct spool_entry entry; /* its time, series and size, wherever it is */
    int64_t due_ns;           /* CLOCK_MONOTONIC: not sent before */
    int64_t came_ns, sent_ns; /* CLOCK_MONOTONIC: queued; the last attempt */
    uint8_t *body;            /* NULL: on disk */
    char *label;              /* NULL: on disk, and not under way */
    uint16_t tries;
    uint8_t place; /* enum item_place */
    bool sending, is_synced;
};

struct outbox {
    const struct outbox_kind *kind;
    struct http *http;
    struct spool *spool; /* NULL: there is none */
    uint64_t spool_most; /* bytes of all files there */
    int64_t spool_age_ns;
    struct item *first, **last;
    int64_t newest_ns;     /* time of the newest that was ever queued */
    uint64_t memory_bytes; /* of items in memory */
    unsigned count, sending, drafts;
    int64_t pause_ns; /* CLOCK_MONOTONIC: nothing is sent before */
    unsigned
        troubles; /* attempts without an answer, or with one that speaks of a passing state, since a good one */
    int64_t refused_age_ns;  /* time of the newest that the server refused as too old; such are not sent */
    bool is_explained;       /* the text of an answer that takes a request says what was not taken */
    bool is_ending;          /* outbox_work() was told to wait */
    bool is_cut_off;         /* said that the server cannot be reached */
    bool is_disk_full;       /* said that the spool cannot be written */
    bool is_elsewhere_told;  /* said that the spool has requests for other servers */
    bool is_directory_stale; /* files were written to the disk since the directory was */
    int64_t next_look_ns, next_sync_ns;      /* CLOCK_MONOTONIC: at the spool; of a file's way to the disk */
    uint64_t others_bytes;                   /* in the spool, of other uploaders */
    uint64_t said[OUTBOX_STATUSES / 64 + 1]; /* refusals that were told, by status */
    struct outbox_counts counts;
};

/* Adds by time, and writes it to the spool if it can. Drops old ones if there is no room. */
void queue_add(struct outbox *outbox, struct item *item);

/* Of a draft or a file, too. */
void queue_remove(struct outbox *outbox, struct item *item);

/* Its file stays. */
void queue_leave(struct outbox *outbox, struct item *item);

/* Makes drafts files. From then on they are on disk only. */
void queue_settle(struct outbox *outbox);

/* Writes what is in memory to the spool, if it can. */
void queue_spool(struct outbox *outbox);

/* Drops what is too old, takes over what other uploaders left, and has the disk write what stays. */
void queue_tend(struct outbox *outbox);

/* The requests that are still to be sent by this uploader. */
unsigned queue_left(const struct outbox *outbox);

/* Leaves what is on disk there. */
void queue_free(struct outbox *outbox);

/* What becomes of a request after an answer. */
enum outbox_fate { STAYS, IS_DONE, IS_TOO_LARGE };

/* Deals with an answer, or with none: counts, says what has to be said, and sets when the next attempt is due. */
enum outbox_fate outbox_answered(struct outbox *outbox, struct item *item, const struct http_answer *answer);

/* Says and counts that a request is given up. */
void outbox_refused(struct outbox *outbox, const struct item *item, enum outbox_meaning meaning,
                    const struct http_answer *answer);

#endif
