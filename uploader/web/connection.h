/* SPDX-License-Identifier: Apache-2.0 */
/* The server's connections: how long each may take, and which one is ended if there are too many. One thread only. */
#ifndef CPROF_UPLOADER_WEB_CONNECTION_H
#define CPROF_UPLOADER_WEB_CONNECTION_H

#include "web_state.h"

/* Called by the library when a connection comes and when it has gone. */
void connection_notify(void *web, struct MHD_Connection *connection, void **state,
                       enum MHD_ConnectionNotificationCode code);

/* NULL: no memory was left when it came. */
struct connection *connection_of(struct MHD_Connection *connection);
void connection_set(struct connection *connection, enum connection_state state);

/* Ends those that take too long. */
void connections_sweep(struct web *web, int64_t now_ns);

/* Ends the one that has been taking its answer for longest, so that there is room for another answer. */
void connections_cut_slowest(struct web *web);

/* The other side has closed it. */
bool connection_is_gone(const struct connection *connection);

#endif
