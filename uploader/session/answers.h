/* SPDX-License-Identifier: Apache-2.0 */
/* What `cprof ctl` asks is done here, and answered. One thread only. */
#ifndef CPROF_UPLOADER_ANSWERS_H
#define CPROF_UPLOADER_ANSWERS_H

#include "uploader/session/members/state.h"

/* Answers, or leaves it to session_answer_flushes(). */
void session_answer(struct session *session, struct client *client);

/* Answers those who wait until all is sent. is_last: there is no later time. */
void session_answer_flushes(struct session *session, bool is_last);

#endif
