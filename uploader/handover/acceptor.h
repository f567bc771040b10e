/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts processes at the session's socket, and those who ask something (uploader/control/). Before anything is received, the kernel is asked who the peer
 * is. The uploader's own user, root, and processes that `trusted` takes may join. A silent peer may wait for
 * two seconds, with ACCEPTOR_PEERS others at most, and delays nobody.
 */
#ifndef CPROF_UPLOADER_ACCEPTOR_H
#define CPROF_UPLOADER_ACCEPTOR_H

#include <stddef.h>

#include "handover.h"

enum { ACCEPTOR_PEERS = 64, ACCEPTOR_MESSAGE = 4096 };
struct acceptor_peer {
    int fd;
    pid_t pid; /* in our namespace, of when it connected */
    uid_t uid;
    int64_t until_ns; /* CLOCK_MONOTONIC */
};
/* A message that is no hand-over, from the uploader's own user or root. true: it is taken, and with it fd. */
typedef bool acceptor_ask(int fd, const struct acceptor_peer *peer, const char *text, size_t length,
                          void *context);
struct acceptor {
    int listener; /* borrowed */
    int epoll_fd; /* readable while acceptor_next() has something to do */
    bool (*trusted)(pid_t pid, void *context);
    acceptor_ask *ask; /* NULL: such a message is refused */
    void *context;
    struct acceptor_peer peer[ACCEPTOR_PEERS]; /* oldest first */
    unsigned peers;
    bool is_paused;   /* there was no descriptor left */
    uint64_t secrets; /* a peer that has others is sent elsewhere */
};

int acceptor_open(struct acceptor *acceptor, int listener, bool (*trusted)(pid_t pid, void *context),
                  void *context);

/* The next process, without waiting for one. -EAGAIN: none is there. -ENOMSG: a peer has sent nothing yet, or
   only asked whether the uploader lives. -EPROTO or -EPERM: refused, and a line was logged. After an error
   *handover has nothing to close. */
int acceptor_next(struct acceptor *acceptor, struct handover *handover);

/* Called once a second. Drops peers that have been silent for too long. */
void acceptor_tick(struct acceptor *acceptor, int64_t now_ns);

void acceptor_close(struct acceptor *acceptor);

/* Takes over a listening socket that was inherited and has its name. Returns it, or negative errno. */
int acceptor_inherit(int fd);

#endif
