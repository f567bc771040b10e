/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session: the socket, its members, the rounds and the sinks. One thread, one epoll loop. The caller says
 * which signals there are and when the session ends, which differs between the background service and the
 * launcher.
 */
#ifndef CPROF_UPLOADER_SESSION_H
#define CPROF_UPLOADER_SESSION_H

#include "uploader/session/members/state.h"

/* Takes the name options->socket. 0; -EADDRINUSE: another uploader has it; else negative errno, logged. */
int session_open(struct session *session, const struct options *options, const struct session_ops *ops,
                 void *context);

/* Runs until ops->is_over(). */
void session_run(struct session *session);

/* Accepts all that wait at the socket, and does not wait for more. */
void session_accept_all(struct session *session);

/* Gives up the name. Processes that are connected are accepted; later ones find nobody and start an
   uploader. */
void session_stop_accepting(struct session *session);

/* The last round of all members, and the last upload. Then there is no member left. Programs stay readable until
   session_close(). */
void session_finish(struct session *session, const struct session_patience *patience);
void session_close(struct session *session);

#endif
