/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keeper holds for the session: the descriptors of each member, and of members that have ended until the sinks
 * have all of them. One thread only.
 */
#ifndef CPROF_UPLOADER_HELD_H
#define CPROF_UPLOADER_HELD_H

#include "session.h"

/* Where there is none: starts one, which is given everything anew. */
void session_start_keeper(struct session *session);

/* Gives it those members that it could not take at once, or that another one had. */
void session_keep_all(struct session *session);

/* The member ends: the keeper has it until it is written. */
void session_keep_ended(struct session *session, const struct member *member);

/* After uploads: what was written is acknowledged, and released. */
void session_release_written(struct session *session);

#endif
