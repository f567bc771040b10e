/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When what is recorded changes (wanted.h), and that it is so. A switch ends the interval, so in one interval a type is
 * on or off, with one rate. One thread only.
 */
#ifndef CPROF_UPLOADER_CONTROLS_H
#define CPROF_UPLOADER_CONTROLS_H

#include "uploader/session/members/state.h"

/* Once, when the board is there. */
void controls_open(struct session *session);

/* What of the settings keeps a session from recording anything; NULL: nothing does. */
const char *controls_why_nothing(const struct session *session);

/* Once a second: looks at the kill switch. */
void controls_tick(struct session *session, int64_t now_ns);

/* Has the members record what is wanted of them now. next_switch_ns says when to ask again. at_once: with a round, even
   if there was one just now. */
void controls_apply(struct session *session, int64_t now_ns, bool at_once);

#endif
