/* SPDX-License-Identifier: Apache-2.0 */
#include "clients.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "uploader/base/clock.h"

#define CLIENT_PATIENCE_NS (10 * SECOND_NS)
#define CLIENT_IDLE_NS     (120 * SECOND_NS) /* of one that watches, between two requests */

int clients_open(struct clients *clients)
{
    for (unsigned i = 0; i < CLIENTS_MOST; i++)
        clients->client[i] = (struct client){.fd = -1};
    clients->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return clients->epoll_fd == -1 ? -errno : 0;
}

static void drop(struct clients *clients, struct client *client)
{
    if (client->fd == -1)
        return;
    if (client->watch)
        clients->ops->gone(clients->context, client);
    close(client->fd); /* which also takes it out of the epoll set */
    free(client->text);
    *client = (struct client){.fd = -1};
}

void clients_close(struct clients *clients)
{
    if (clients->epoll_fd < 0)
        return;
    for (unsigned i = 0; i < CLIENTS_MOST; i++)
        drop(clients, &clients->client[i]);
    close(clients->epoll_fd);
    clients->epoll_fd = -1;
}

/* One message. 0; -EAGAIN: the socket is full. */
static int send_message(const struct client *client, char kind, const char *text, size_t size)
{
    struct iovec part[] = {{&kind, 1}, {(char *)text, size}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
    ssize_t sent;

    do
        sent = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* The text, or the profile with its line. */
static int send_text(struct client *client)
{
    const char kind = *client->line ? 'd' : '1';
    int rc;

    if (*client->line && !client->has_line) {
        rc = send_message(client, 'p', client->line, strlen(client->line));
        if (rc)
            return rc;
        client->has_line = true;
    }
    while (client->sent < client->size) {
        size_t left = client->size - client->sent, size = left < CLIENT_MESSAGE ? left : CLIENT_MESSAGE;
        rc = send_message(client, kind, client->text + client->sent, size);
        if (rc)
            return rc;
        client->sent += size;
    }
    return 0;
}

/* 0: all is sent; -EAGAIN: not yet; else the client has gone. */
static int send_answer(const struct clients *clients, struct client *client)
{
    char status[8];
    int rc = send_text(client);

    if (rc)
        return rc;
    if (client->watch && clients->ops->more(clients->context, client)) {
        client->until_ns = monotonic_ns() + CLIENT_PATIENCE_NS;
        rc = send_text(client);
        return rc ? rc : -EAGAIN; /* the next part after other work of the session */
    }
    if (*client->error) {
        rc = send_message(client, '2', client->error, strlen(client->error));
        if (rc)
            return rc;
        *client->error = 0;
    }
    snprintf(status, sizeof status, "%d", client->status);
    return send_message(client, '=', status, strlen(status));
}

static void watch(struct clients *clients, struct client *client, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLRDHUP, .data.ptr = client};

    if (epoll_ctl(clients->epoll_fd, EPOLL_CTL_MOD, client->fd, &event) && errno == ENOENT &&
        epoll_ctl(clients->epoll_fd, EPOLL_CTL_ADD, client->fd, &event))
        drop(clients, client);
}

/* Takes over the text. */
static void set_text(struct client *client, char *text, size_t size)
{
    free(client->text);
    client->text = text;
    client->size = text ? size : 0;
    client->sent = 0;
    *client->line = 0;
    client->has_line = false;
}

static void work(struct clients *clients, struct client *client)
{
    int rc = send_answer(clients, client);

    if (rc == -EAGAIN || rc == -ENOBUFS) {
        watch(clients, client, EPOLLOUT);
    } else if (!rc && client->watch && client->status == CLIENT_DONE) {
        set_text(client, NULL, 0);
        client->is_idle = true;
        client->until_ns = monotonic_ns() + CLIENT_IDLE_NS;
        watch(clients, client, EPOLLIN);
    } else {
        drop(clients, client);
    }
}

void client_part(struct client *client, const char *line, char *data, size_t size)
{
    set_text(client, data, size);
    snprintf(client->line, sizeof client->line, "%s", line);
}

void client_answer(struct clients *clients, struct client *client, enum client_status status, char *text,
                   size_t size, const char *error, ...)
{
    va_list args;

    set_text(client, text, size);
    client->status = status;
    if (client->size > CLIENT_ANSWER_MOST) {
        client->size = CLIENT_ANSWER_MOST;
        snprintf(client->error, sizeof client->error, "the answer is cut at %d MiB",
                 CLIENT_ANSWER_MOST >> 20);
    }
    if (error) {
        va_start(args, error);
        vsnprintf(client->error, sizeof client->error, error, args);
        va_end(args);
    }
    client->is_waiting = false;
    client->until_ns = monotonic_ns() + CLIENT_PATIENCE_NS;
    work(clients, client);
}

/* false: it is answered, because the request is wrong. */
static bool take_request(struct clients *clients, struct client *client, const char *text, size_t length)
{
    char error[CONTROL_ERROR];

    if (control_request_parse(text, length, &client->request, error)) {
        client_answer(clients, client, CLIENT_WRONG, NULL, 0, "%s", error);
        return false;
    }
    client->is_waiting = true;
    client->until_ns = monotonic_ns() + client->request.timeout_ns;
    return true;
}

/* One that stays asks again. It may ask for what watches alone: the rest is done once for a connection. */
static void ask_again(struct clients *clients, struct client *client)
{
    char text[CONTROL_REQUEST + 1];
    ssize_t size = recv(client->fd, text, sizeof text, MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        drop(clients, client);
        return;
    }
    client->is_idle = false;
    watch(clients, client, 0);
    if (client->fd == -1 || !take_request(clients, client, text, (size_t)size))
        return;
    if (client->request.command == CONTROL_WATCH)
        clients->ops->ask(clients->context, client);
    else
        client_answer(clients, client, CLIENT_WRONG, NULL, 0, "one that watches can ask for nothing else");
}

struct client *clients_take(struct clients *clients, int fd, pid_t pid, uid_t uid, const char *text,
                            size_t length)
{
    struct client *client = NULL, refused = {.fd = fd};

    for (unsigned i = 0; i < CLIENTS_MOST && !client; i++)
        if (clients->client[i].fd == -1)
            client = &clients->client[i];
    if (!client) {
        snprintf(refused.error, sizeof refused.error, "%d others ask already, try again", CLIENTS_MOST);
        refused.status = CLIENT_FAILED;
        send_answer(clients, &refused);
        close(fd);
        return NULL;
    }
    *client = (struct client){.fd = fd, .pid = pid, .uid = uid};
    watch(clients, client, 0);
    if (client->fd == -1)
        return NULL;
    return take_request(clients, client, text, length) ? client : NULL;
}

void clients_work(struct clients *clients)
{
    struct epoll_event event[CLIENTS_MOST];
    int count = epoll_wait(clients->epoll_fd, event, CLIENTS_MOST, 0);

    for (int i = 0; i < count; i++) {
        struct client *client = event[i].data.ptr;
        if (event[i].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
            drop(clients, client);
        else if (event[i].events & EPOLLOUT)
            work(clients, client);
        else if (event[i].events & EPOLLIN && client->is_idle)
            ask_again(clients, client);
    }
}

void clients_tick(struct clients *clients, int64_t now_ns)
{
    for (unsigned i = 0; i < CLIENTS_MOST; i++) {
        struct client *client = &clients->client[i];
        if (client->fd != -1 && !client->is_waiting && now_ns >= client->until_ns)
            drop(clients, client);
    }
}

struct client *clients_waiting(struct clients *clients, enum control_command command, unsigned *at)
{
    for (; *at < CLIENTS_MOST; ++*at) {
        struct client *client = &clients->client[*at];
        if (client->fd != -1 && client->is_waiting && client->request.command == command)
            return client;
    }
    return NULL;
}
