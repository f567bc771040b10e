/* SPDX-License-Identifier: Apache-2.0 */
/* What `cprof ctl list` and `status` say of a session. One thread only. */
#ifndef CPROF_UPLOADER_LISTING_H
#define CPROF_UPLOADER_LISTING_H

#include <stdio.h>

#include "uploader/session/members/state.h"

/* true: the member is one of those that the request means. */
bool listing_has(const struct control_request *request, const struct member *member);

void session_list(const struct session *session, const struct control_request *request, FILE *out);
/* The same for programs: lines of words with tabs between, as docs/internals/control.md describes them. */
void session_put_processes(const struct session *session, const struct control_request *request, FILE *out);
void session_status(const struct session *session, const struct control_request *request, FILE *out);

#endif
