/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a session: processes that are handed over, and that end. One thread only. */
#ifndef CPROF_UPLOADER_MEMBERS_H
#define CPROF_UPLOADER_MEMBERS_H

#include "state.h"

/* NULL: none has this pid. */
struct member *session_find(const struct session *session, pid_t pid);

/* Adds a process; takes over the descriptors. */
void session_take(struct session *session, const struct handover *handover);

/* What an uploader before us had. */
void session_take_held(struct session *session, const struct handover *handover);

/* The last round of a member. ended_ns: the latest time at which its program ended; 0: it goes on,
   unobserved. */
void session_end(struct session *session, size_t index, int64_t ended_ns);

/* Reads back the files of an earlier uploader, for processes that had ended before this one started. */
void session_restore(struct session *session, int64_t since_ns, bool without_living);

#endif
