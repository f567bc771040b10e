/* SPDX-License-Identifier: Apache-2.0 */
/* What the session serves at CPROF_LISTEN. One thread only. */
#ifndef CPROF_UPLOADER_PAGES_H
#define CPROF_UPLOADER_PAGES_H

#include "uploader/session/members/state.h"

/* Nothing happens if CPROF_LISTEN is not set or cannot be. */
void session_open_pages(struct session *session);

/* Does what is due. Returns when it is to be called again. Not called before all processes are there. */
int64_t session_serve_pages(struct session *session);

/* Whoever waits gets what there is; so long is waited at most. */
void session_end_pages(struct session *session, unsigned wait_ms);

#endif
