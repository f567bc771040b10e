/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finished requests on their way to one server. A sink that pushes is an encoder: it makes requests in take() and
 * gives them to its outbox, which sends them in the order of their times, again where that helps, until the server
 * has each one or refuses it for good. A request that cannot be sent holds up no other one, unless the server
 * cannot be reached or asks for a pause. One thread only; nothing waits for the network but outbox_work().
 */
#ifndef CPROF_UPLOADER_OUTBOX_H
#define CPROF_UPLOADER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/base/durations.h"
#include "uploader/options/options.h"
#include "uploader/sinks/http/http_server.h"
#include "uploader/upload/sink.h"

/* What a status means for the request that it answers. */
enum outbox_meaning {
    OUTBOX_TAKEN,
    OUTBOX_REFUSED,   /* for good */
    OUTBOX_DENIED,    /* for good: who we are, not what we sent */
    OUTBOX_NOT_HERE,  /* another server listens there, for good or for now (is_always_there) */
    OUTBOX_MOVED,     /* the same: a redirection that is not followed */
    OUTBOX_TOO_LARGE, /* for this size; smaller pieces may pass */
    OUTBOX_LATER,     /* the server cannot now: tried until the request is too old */
    OUTBOX_FAILED,    /* the server broke over it: tried a few times */
};

struct outbox_status {
    int first, last; /* of the range */
    enum outbox_meaning meaning;
};

/* Takes ownership of body (malloc'ed). A negative errno ends the splitting. */
typedef int outbox_piece(void *context, uint8_t *body, size_t size);

/* What one protocol is like. It lives as long as the program. */
struct outbox_kind {
    const char *name;   /* of the sink, [a-z]+: in file names and in messages */
    const char *server; /* for messages: "a Pyroscope server (1.0 or later)" */
    const char *login;  /* for messages: what to set where access is denied, "CPROF_AUTH_TOKEN" */
    const char *path;   /* behind the base URL */
    const char *content_type;
    const char *content_encoding;        /* NULL: none */
    const struct outbox_status *differs; /* from the usual meanings; ends with a row of zeros; may be NULL */
    bool is_always_there; /* false: what is no such server may be one later, and is waited for */
    int64_t window_ns;    /* the server takes nothing older; 0: it has no such limit */
    /* Whether the text of a refusal says that the request was too large. NULL: no text does. */
    bool (*is_too_large)(int status, const char *text);
    /* Makes smaller requests with the same samples of one that was too large: at least two, or one that is smaller.
       0 or negative errno; -E2BIG: it cannot be made smaller. NULL: cannot split. */
    int (*split)(const uint8_t *body, size_t size, outbox_piece *piece, void *context);
};

/* By the kind's own rules, else by the usual ones. */
enum outbox_meaning outbox_meaning(const struct outbox_kind *kind, int status);

/* Strings are borrowed for the call. */
struct outbox_request {
    uint8_t *body; /* malloc'ed, taken in any case */
    size_t size;
    int64_t time_ns;    /* CLOCK_REALTIME of the profile's start; requests are sent in this order */
    const char *series; /* tells series apart: a hash of it is in file names */
    const char *label;  /* for messages: "cpu profile of redis-server" */
};

/* Counters since the start, for the uploader's own metrics, and gauges. Read at any time. */
enum { OUTBOX_STATUSES = 600 };
struct outbox_counts {
    uint64_t sent, sent_bytes;         /* requests that the server took, and their bodies */
    uint64_t answers[OUTBOX_STATUSES]; /* by status; [0]: attempts without an answer */
    uint64_t refused;                  /* requests given up for good after an answer */
    uint64_t partly;                   /* taken, but the answer says that not all of it */
    uint64_t retried;                  /* attempts that were not a request's first */
    uint64_t split;                    /* requests that were made into smaller ones */
    uint64_t damaged;                  /* files of the spool that could not be read back */
    uint64_t too_old;                  /* refused as too old, and kept in the spool */
    uint64_t dropped_size, dropped_age,
        dropped_end;                /* never sent: no room, too old, lost at the uploader's end */
    uint64_t spooled, spool_errors; /* written to the spool; could not be written */
    struct durations latency;       /* of answers */
    uint64_t queued, queued_bytes;  /* gauges: what waits in all */
    uint64_t on_disk, disk_bytes;   /* gauges: of these, in the spool */
    int64_t last_sent_ns;           /* CLOCK_REALTIME; 0: never */
    bool reachable;                 /* false: the last attempt got no answer */
};

struct outbox;

/* NULL after it logged what is wrong. The kind and its strings are borrowed for ever. */
struct outbox *outbox_new(const struct options *options, const struct outbox_kind *kind,
                          const struct http_settings *http);

/* Queues a request, and writes it to the spool if there is one. 0 or -ENOMEM. */
int outbox_add(struct outbox *outbox, const struct outbox_request *request);

/* What was added is safe from the death of this process, if there is a spool, before its samples are acknowledged: to
   be called before that. Until then a successor ignores it, and counts the samples again. */
void outbox_settle(struct outbox *outbox);

/* Sends what is due. Waits for the network for a moment, or, where wait_ms > 0, for that long at most until nothing
   is left. Such calls come at the end: at the first of them what was put off is due once more. Returns how many
   requests are still to be sent by this uploader. */
unsigned outbox_work(struct outbox *outbox, unsigned wait_ms);

/* When outbox_work() has something to send, as of sink_ops.next_ns. */
int64_t outbox_next_ns(const struct outbox *outbox);

const struct outbox_counts *outbox_counts(const struct outbox *outbox);

/* The same for sink_ops.get_figures. */
void outbox_get_figures(const struct outbox *outbox, struct sink_figures *figures);

void outbox_free(struct outbox *outbox);

#endif
