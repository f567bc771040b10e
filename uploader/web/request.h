/* SPDX-License-Identifier: Apache-2.0 */
/* One request: from its first line to its answer. One thread only. */
#ifndef CPROF_UPLOADER_WEB_REQUEST_H
#define CPROF_UPLOADER_WEB_REQUEST_H

#include "web_state.h"

/* Called by the library with the first line, with the headers and each part of the body, and after the answer. */
void *request_begin(void *web, const char *uri, struct MHD_Connection *connection);
enum MHD_Result request_handle(void *web, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data, size_t *size,
                               void **state);
void request_end(void *web, struct MHD_Connection *connection, void **state,
                 enum MHD_RequestTerminationCode code);

/* Answers those that have waited long enough; all: every one. Returns when the next one has. */
int64_t requests_answer(struct web *web, int64_t now_ns, bool all);

/* Drops those whose clients have gone. */
void requests_drop_gone(struct web *web);

/* What the client sent in its first line can be taken as it is: printable, and every % is followed by two hexadecimal digits
   that are no NUL. */
bool request_uri_is_clean(const char *uri);

#endif
