/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be recorded of a member, and how often.
 *
 * Of a type the last word is the kill switch's, then that of `cprof ctl`, then those of delay, duration and schedule, and
 * then that of CPROF_PROFILES. One thread only.
 */
#ifndef CPROF_UPLOADER_WANTED_H
#define CPROF_UPLOADER_WANTED_H

#include "state.h"

/* At this time. *next_ns: when it may be otherwise by itself, if that is earlier than what it is. */
void session_find_wanted(const struct session *session, const struct member *member, int64_t now_ns,
                         struct rates *rates, int64_t *next_ns);

/* It records what is wanted from its first moment here. */
void wanted_member_joined(struct session *session, struct member *member);
void wanted_member_ended(struct session *session, const struct member *member);

#endif
