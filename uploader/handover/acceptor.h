/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts processes at the session's socket. Whether a peer may join is asked of the kernel before anything
 * is received: our own user, root, and whom `trusted` takes. A peer that is silent waits here, for two
 * seconds and with ACCEPTOR_PEERS others at most, and holds up nobody.
 */
#ifndef CPROF_UPLOADER_ACCEPTOR_H
#define CPROF_UPLOADER_ACCEPTOR_H

#include "handover.h"

enum { ACCEPTOR_PEERS = 64 };
struct acceptor_peer {
    int fd;
    pid_t pid; /* in our namespace, of when it connected */
    uid_t uid;
    int64_t until_ns; /* CLOCK_MONOTONIC */
};
struct acceptor {
    int listener; /* borrowed */
    int epoll_fd; /* readable while acceptor_next() has something to do */
    bool (*trusted)(pid_t pid, void *context);
    void *context;
    struct acceptor_peer peer[ACCEPTOR_PEERS]; /* oldest first */
    unsigned peers;
    bool is_paused;   /* there was no descriptor left */
    uint64_t secrets; /* a peer that has others is sent elsewhere */
};

int acceptor_open(struct acceptor *acceptor, int listener, bool (*trusted)(pid_t pid, void *context),
                  void *context);

/* The next target, without waiting for one. -EAGAIN: nobody is there. -ENOMSG: a peer has sent nothing yet,
   or only asked whether the uploader lives. -EPROTO or -EPERM: refused. Then *handover has nothing to close,
   and a line was logged. */
int acceptor_next(struct acceptor *acceptor, struct handover *handover);

/* Once a second: sends away who has been silent for too long. */
void acceptor_tick(struct acceptor *acceptor, int64_t now_ns);

void acceptor_close(struct acceptor *acceptor);

/* Takes over a listening socket that has its name already and was inherited. Returns it, or negative
   errno. */
int acceptor_inherit(int fd);

#endif
