/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /debug/pprof/live?tab=ID: what the page of /debug/pprof/ asks for every few seconds, to show the session as it goes on.
 * Each page that is open has a watch of its own, which ends two minutes after it has asked last. Its first answer has the
 * session so far. One thread only.
 */
#ifndef CPROF_UPLOADER_LIVE_TABS_H
#define CPROF_UPLOADER_LIVE_TABS_H

#include "answer.h"
#include "uploader/web/web.h"
#include "watch.h"

/* What the session tells. */
struct tabs_source {
    struct watches *watches;
    const char *session;
    void *context;
    /* Adds all that was recorded until now. */
    void (*read)(void *context, const struct selection *selection, int64_t old_ns);
    int64_t (*since_ms)(void *context);
};

struct tab {
    char id[ANSWER_TAB + 1]; /* "": none */
    struct watch *watch;
    int64_t used_ns; /* CLOCK_MONOTONIC */
    bool has_more;   /* of the frame is left */
};

struct tabs {
    struct tabs_source source;
    struct tab tab[WATCHES_MOST];
};

/* Adds its page. web may be NULL. tabs lives as long as web. */
void tabs_open(struct tabs *tabs, struct web *web, const struct tabs_source *source);
void tabs_close(struct tabs *tabs);

/* Called once a second: forgets pages that were closed. */
void tabs_tick(struct tabs *tabs, int64_t now_ns);

#endif
