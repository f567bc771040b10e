/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to a session that is watched (uploader/control/request.h, `watch`). One thread only. */
#ifndef CPROF_ANALYSIS_LIVE_LINK_H
#define CPROF_ANALYSIS_LIVE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "uploader/handover/sessions.h"

/* What a frame is to have. */
struct link_wanted {
    uint32_t kinds;      /* bits of enum profile_kind_id: what is new, from one frame to the next */
    uint32_t whole;      /* likewise: of the session so far */
    bool with_states;    /* blocks in use and threads as they are now */
    bool past;           /* the intervals of the session so far */
    const char *program; /* of this program or service alone; NULL: of all */
    int pid;             /* of this process alone; 0: of all */
};

/*
 * The session that is meant: the one that is named, or CPROF_SOCKET, or the only one of this user, or the only one that has
 * this program or process. 0, or the exit status after lines on stderr, which begin with "cprof: COMMAND:".
 */
int link_find(const char *command, const char *named, const struct link_wanted *wanted,
              char session[SESSION_NAME]);

/* A descriptor, non-blocking; -1: nobody answers there. Nothing is printed. */
int link_open(const char *session);

/* Asks for a frame. One at a time. 0 or negative errno: the session has gone. */
int link_ask(int fd, const struct link_wanted *wanted);

/* Takes what is there of the answer. 0: not all yet; 1: the frame is complete; negative errno as frame_take()'s, -EPIPE: the
   session has gone. */
int link_receive(int fd, struct frame *frame, char error[256]);

/* The same, and waits for it for so long. -ETIME: that was not enough. */
int link_await(int fd, struct frame *frame, int64_t wait_ms, char error[256]);

#endif
