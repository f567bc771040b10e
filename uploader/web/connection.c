/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <poll.h>
#include <stdlib.h>

#define SLOW_NS (2 * SECOND_NS) /* an answer may take that long before another one's need counts */

static const int64_t most_ns[] = {
    [CONNECTION_ASKING] = WEB_ASK_NS, [CONNECTION_IDLE] = WEB_IDLE_NS, [CONNECTION_SERVED] = WEB_ANSWER_NS,
    [CONNECTION_WAITING] = INT64_MAX, [CONNECTION_CUT] = INT64_MAX,
};

/* The library notices that the socket has ended, and closes it. It has no function to end one. */
static void cut(struct web *web, struct connection *connection)
{
    connection->state = CONNECTION_CUT;
    web->counts.cut++;
    shutdown(connection->fd, SHUT_RDWR);
}

/* The one that is in this state for longest. */
static struct connection *oldest(const struct web *web, enum connection_state state)
{
    struct connection *found = NULL;

    for (struct connection *c = web->connections; c; c = c->next)
        if (c->state == state && (!found || c->since_ns < found->since_ns))
            found = c;
    return found;
}

/* Those between two requests go first, then those that have not asked yet. */
static void make_room(struct web *web)
{
    struct connection *last = oldest(web, CONNECTION_IDLE);

    if (!last)
        last = oldest(web, CONNECTION_ASKING);
    if (last)
        cut(web, last);
}

static void come(struct web *web, struct MHD_Connection *mhd, void **state)
{
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD),
                                   *peer = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct connection *connection;

    if (web->counts.connections >= WEB_CONNECTIONS - WEB_ROOM)
        make_room(web);
    connection = calloc(1, sizeof *connection);
    *state = connection;
    if (!connection)
        return;
    connection->fd = fd ? fd->connect_fd : -1;
    address_of(web->is_unix || !peer ? NULL : peer->client_addr, &connection->peer);
    connection_set(connection, CONNECTION_ASKING);
    connection->next = web->connections;
    connection->link = &web->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    web->connections = connection;
    web->counts.connections++;
}

static void go(struct web *web, void **state)
{
    struct connection *connection = *state;

    if (!connection)
        return;
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    web->counts.connections--;
    free(connection);
    *state = NULL;
}

void connection_notify(void *web, struct MHD_Connection *connection, void **state,
                       enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        come(web, connection, state);
    else
        go(web, state);
}

struct connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

void connection_set(struct connection *connection, enum connection_state state)
{
    if (!connection || connection->state == CONNECTION_CUT)
        return;
    connection->state = state;
    connection->since_ns = monotonic_ns();
}

void connections_sweep(struct web *web, int64_t now_ns)
{
    for (struct connection *c = web->connections; c; c = c->next)
        if (now_ns - c->since_ns > most_ns[c->state])
            cut(web, c);
}

void connections_cut_slowest(struct web *web)
{
    struct connection *slowest = oldest(web, CONNECTION_SERVED);

    if (slowest && monotonic_ns() - slowest->since_ns > SLOW_NS)
        cut(web, slowest);
}

bool connection_is_gone(const struct connection *connection)
{
    struct pollfd ask = {.fd = connection->fd, .events = POLLRDHUP};
    return poll(&ask, 1, 0) == 1;
}
