/* SPDX-License-Identifier: Apache-2.0 */
/* What a session does by the clock: rounds, ticks, wall samples, sending. One thread only. */
#ifndef CPROF_UPLOADER_ROUNDS_H
#define CPROF_UPLOADER_ROUNDS_H

#include "uploader/session/members/state.h"

#define TICK_NS SECOND_NS

/* One round of all members, and the uploads. */
void session_round(struct session *session);

/* Sends queued uploads. Waits for the network for at most wait_ms. */
void session_send(struct session *session, unsigned wait_ms);

/* Passes on the signals that came. */
void session_read_signals(struct session *session);

/* Sends all that is queued, as long as there is hope. */
void session_send_all(struct session *session, const struct session_patience *patience);

/* Serves processes that wait at their exit until everything is sent. */
void session_serve_waiting(struct session *session);

/* Waits for debug files that are under way, for so long at most. */
void session_await_symbols(struct session *session, unsigned wait_ms);

/* Once a second: then it returns true. */
bool session_tick(struct session *session, int64_t now_ns);

/* One step in emptying full tables. true: it is called again soon. */
bool session_fast_tick(struct session *session, int64_t now_ns);

/* Takes a wall sample of all members, when it is due. Returns when the next one is, INT64_MAX: none. */
int64_t session_wall_sample(struct session *session, int64_t now_ns);

#endif
