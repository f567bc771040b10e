/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes to a session, and leaves it. One thread only. */
#ifndef CPROF_UPLOADER_MEMBERS_H
#define CPROF_UPLOADER_MEMBERS_H

#include "session.h"

/* NULL: none has this pid. */
struct member *session_find(const struct session *session, pid_t pid);

/* What an uploader before us had. */
void session_take_kept(struct session *session, const struct handover *handover);

/* The last round of a member. ended_ns: when its program ended, at the latest; 0: it goes on without us. */
void session_end(struct session *session, size_t index, int64_t ended_ns);

/* Reads back what the files of an uploader before us have of processes that had ended before it did. */
void session_restore(struct session *session, int64_t since_ns, bool without_living);

#endif
