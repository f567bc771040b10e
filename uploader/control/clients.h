/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who ask. They come through the session's socket (uploader/handover/acceptor.h), which has asked the kernel who
 * they are. Their one request is read there, so that of a client only the sending is left, and waiting for something that
 * is to be answered later. Nothing here blocks. A client that does not read is dropped after CLIENT_PATIENCE_NS.
 *
 * An answer is a row of messages. The first byte of each says what follows: '1' text for the standard output, '2' a line
 * for the standard error, 'p' a line that describes a profile, 'd' bytes of that profile, '=' the exit status, which ends it.
 *
 * A client that watches stays: it sends the next request when it has the whole answer to the last one. Its answer is made
 * part by part, each when the one before has been sent, so that one part at a time lies in memory.
 */
#ifndef CPROF_UPLOADER_CLIENTS_H
#define CPROF_UPLOADER_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "request.h"

enum { CLIENTS_MOST = 16, CLIENT_MESSAGE = 16384, CLIENT_ANSWER_MOST = 8 << 20, CLIENT_LINE = 160 };

/* Exit statuses. */
enum client_status {
    CLIENT_DONE = 0,
    CLIENT_FAILED = 1,
    CLIENT_WRONG = 2,
    CLIENT_NOBODY = 3 /* no such process */
};

struct client {
    int fd;
    pid_t pid;
    uid_t uid;
    struct control_request request;
    uint64_t mark[2]; /* whoever answers keeps what was so when it asked */
    bool is_waiting;  /* its answer comes later */
    bool is_idle;     /* it stays, has its answer, and may ask again */
    int64_t until_ns; /* CLOCK_MONOTONIC: then it is dropped, or its wait is over */
    char *text;       /* the answer, for its standard output, or a profile */
    size_t size, sent;
    char
        line[CLIENT_LINE]; /* "": text is for its standard output. Else it is a profile that this describes */
    bool has_line;         /* the line is sent */
    void *watch;           /* not NULL: it stays. Owned by whoever answers, see client_ops */
    char error[CONTROL_ERROR]; /* "": none */
    enum client_status status;
};

/* Of clients that watch. */
struct client_ops {
    /* It has asked again: client_answer(). */
    void (*ask)(void *context, struct client *client);
    /* All is sent: client_part() with the next part. false: there is none. */
    bool (*more)(void *context, struct client *client);
    /* Frees client->watch. */
    void (*gone)(void *context, struct client *client);
};

struct clients {
    const struct client_ops *ops;
    void *context;
    int epoll_fd;                       /* readable while clients_work() has something to do */
    struct client client[CLIENTS_MOST]; /* fd -1: none */
};

int clients_open(struct clients *clients);
void clients_close(struct clients *clients);

/* Takes over fd. The request is parsed. NULL: it is answered already, because it is wrong or there are too many. */
struct client *clients_take(struct clients *clients, int fd, pid_t pid, uid_t uid, const char *text,
                            size_t length);

/* Ends a client's wait. Takes over the text (may be NULL). error: as printf(), may be NULL; one line. */
void client_answer(struct clients *clients, struct client *client, enum client_status status, char *text,
                   size_t size, const char *error, ...) __attribute__((format(printf, 6, 7)));

/* From more(): a profile, taken over, and a line that describes it. */
void client_part(struct client *client, const char *line, char *data, size_t size);

/* Sends what can be sent, and takes what those who stay ask next. */
void clients_work(struct clients *clients);

/* Called once a second: drops those who do not read. */
void clients_tick(struct clients *clients, int64_t now_ns);

/* The next one that waits with this command, from index *at on. NULL: there is none. */
struct client *clients_waiting(struct clients *clients, enum control_command command, unsigned *at);

#endif
