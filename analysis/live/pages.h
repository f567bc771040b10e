/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of cprof report --live, and what it asks for: the same as /debug/pprof/live (uploader/live/tabs.h), out of the
 * session's control socket. All is below a path that nobody can guess, because other users reach 127.0.0.1, too. One
 * thread only.
 */
#ifndef CPROF_ANALYSIS_LIVE_PAGES_H
#define CPROF_ANALYSIS_LIVE_PAGES_H

#include "link.h"
#include "uploader/live/answer.h"
#include "uploader/web/web.h"

enum { PAGES_MOST = 8, PAGES_SECRET = 32 };

/* A page that is open in a browser. It has a connection of its own to the session. */
struct live_tab {
    char id[ANSWER_TAB + 1]; /* "": none */
    int fd;                  /* -1: none yet, or the session has gone */
    struct frame frame;      /* what is to be sent */
    size_t sent;             /* parts of it */
    int64_t used_ns;         /* CLOCK_MONOTONIC */
};

struct live_pages {
    const char *session;
    struct link_wanted wanted;   /* program and pid */
    char path[PAGES_SECRET + 3]; /* "/SECRET/" */
    bool has_ended;              /* the session, as it was seen last */
    struct live_tab tab[PAGES_MOST];
};

/* Adds them to web. 0 or negative errno. */
int live_pages_open(struct live_pages *pages, struct web *web, const char *session,
                    const struct link_wanted *wanted);
void live_pages_close(struct live_pages *pages);

#endif
