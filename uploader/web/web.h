/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of a session, at CPROF_LISTEN. It runs inside of the session's loop: nothing here waits. Who may ask, how
 * often, and how much there may be at once is decided here; what is answered comes from pages that others add.
 *
 * To add one, e.g. /metrics:
 *
 *     static void serve(struct web_request *request, void *context) { ... web_reply(request, &reply); }
 *     web_add_page(web, &(struct web_page){.path = "/metrics", .serve = serve, .context = ...});
 *
 * One thread only. What a client sends is hostile: web_argument() and web_body() give it as it came, bounded and with a NUL
 * behind it.
 */
#ifndef CPROF_UPLOADER_WEB_H
#define CPROF_UPLOADER_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uploader/options/options.h"

struct web;
struct web_request;

/* HEAD is answered as GET, without the body. */
enum web_methods { WEB_GET = 1, WEB_POST = 2 };

struct web_page {
    const char *
        path; /* "/metrics"; with a slash at its end also everything below it; "/" is only itself. Not copied. */
    unsigned methods;  /* of enum web_methods; 0: WEB_GET. For others 405 is answered. */
    bool is_open;      /* answered without the token, as health checks need it. It must tell nothing. */
    bool is_unlimited; /* it is so cheap that it does not count for the rate */
    /* Calls web_reply(), web_refuse() or web_wait() once, before it returns. It may take 100 ms at most. */
    void (*serve)(struct web_request *request, void *context);
    void *context;
};
enum { WEB_PAGES = 16 };

/* NULL: CPROF_LISTEN is not set, or a line was logged why it cannot be. Profiling goes on. options is borrowed. */
struct web *web_open(const struct options *options);
void web_add_page(struct web *web, const struct web_page *page);

/* Where it listens: "http://127.0.0.1:6060", with the port that was chosen, or "unix:PATH". */
enum { WEB_URL = 160 };
void web_url(const struct web *web, char url[WEB_URL]);

/* The session watches it for reading. Whenever it woke up, it calls web_work(), which returns when to call it again
   (CLOCK_MONOTONIC), INT64_MAX: when web_fd() is ready. web may be NULL. */
int web_fd(const struct web *web);
int64_t web_work(struct web *web, int64_t now_ns);

/* At the session's end, after the last round: ends what waits, with what there is, and sends for so long at most. */
void web_finish(struct web *web, unsigned wait_ms);
void web_close(struct web *web);

/* ---- For pages ---- */

/* What stands behind the page's path, "" for nothing; lives as long as the request. */
const char *web_path(const struct web_request *request);
/* The raw query, with its question mark; "": none. */
const char *web_query(const struct web_request *request);
/* A value of the query, unescaped; NULL: there is none. */
const char *web_argument(struct web_request *request, const char *name);
bool web_is_post(const struct web_request *request);
const char *web_body(const struct web_request *request, size_t *size);

struct web_reply {
    unsigned status;      /* 0: 200 */
    const char *type;     /* Content-Type */
    const char *filename; /* Content-Disposition: attachment; NULL: none */
    const char *location; /* of a redirection */
    char *data;           /* malloc'ed; taken over */
    size_t size;
};
void web_reply(struct web_request *request, const struct web_reply *reply);

/* An error, as one line of text: "unknown profile". */
void web_refuse(struct web_request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The answer comes later: done() is called once, at until_ns (CLOCK_MONOTONIC) or at the session's end, and replies. Or
 * cancel() is called, because the client went away. Either takes over state. If there are too many that wait, the request is
 * refused and cancel() is called at once.
 */
struct web_wait {
    int64_t until_ns;
    void (*done)(struct web_request *request, void *state);
    void (*cancel)(void *state);
    void *state;
};
void web_wait(struct web_request *request, const struct web_wait *wait);

/* What the server did so far, for /metrics. */
struct web_counts {
    uint64_t requests;                       /* answered in any way */
    uint64_t refused, unauthorized, limited; /* 403, 401, 429 */
    uint64_t cut;                  /* connections that were ended because they were slow, or too many */
    unsigned connections, waiting; /* now */
    size_t bytes;                  /* of answers that are being sent */
};
void web_count(const struct web *web, struct web_counts *counts);

#endif
