/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keeper holds for the session: the descriptors of each member. Those of a member that ended are
 * held until the sinks have all of it. One thread only.
 */
#ifndef CPROF_UPLOADER_HELD_H
#define CPROF_UPLOADER_HELD_H

#include "state.h"

/* Starts a keeper if there is none, and gives it everything. */
void session_start_keeper(struct session *session);

/* Gives it the members that it does not hold: it could not take them at once, or is a new keeper. */
void session_hold_all(struct session *session);

/* Called when a member ends. The keeper holds it until it is written. */
void session_hold_ended(struct session *session, const struct member *member);

/* Called after uploads. Acknowledges what was written, and has the keeper release it. */
void session_release_written(struct session *session);

#endif
