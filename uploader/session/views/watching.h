/* SPDX-License-Identifier: Apache-2.0 */
/* Frames for those who watch the session: figures of programs, processes and the uploader, and profiles (uploader/live).
   docs/internals/control.md has their lines. One thread only. */
#ifndef CPROF_UPLOADER_SESSION_WATCHING_H
#define CPROF_UPLOADER_SESSION_WATCHING_H

#include "uploader/session/members/state.h"

/* Before clients are taken. */
void session_open_watching(struct session *session);

/* A frame, and with the first one the client stays. */
void session_answer_watch(struct session *session, struct client *client);

#endif
