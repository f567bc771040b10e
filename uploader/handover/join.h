/* SPDX-License-Identifier: Apache-2.0 */
/* The session's socket: how a target's segment comes in, and how one uploader hands it on to another. */
#ifndef CPROF_UPLOADER_JOIN_H
#define CPROF_UPLOADER_JOIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One target that wants in. The descriptors are owned by whoever holds the struct. */
struct join {
    pid_t pid; /* in our pid namespace; 0: it has none there */
    uid_t uid; /* of the peer */
    int memfd;
    int pidfd;      /* -1: the process is gone already, or cannot be watched */
    bool has_files; /* of the process: the two below were opened */
    int root_fd, exe_fd;
    uint64_t id;              /* by which our keeper knows it; 0: it does not */
    bool was_kept, has_ended; /* an uploader before us had it; its process goes on without it */
};
#define JOIN_NONE ((struct join){.memfd = -1, .pidfd = -1, .root_fd = -1, .exe_fd = -1})

/* Takes the name. '@' first: abstract; else a path, made with mode 0600, where a socket nobody listens on is
   replaced. Returns the descriptor (non-blocking, close-on-exec) or negative errno; -EADDRINUSE: somebody
   listens there. */
int join_listen(const char *name);

/* The same for a socket that has its name already and was inherited. */
int join_adopt(int fd);

/*
 * Who comes to a listener. Whether a peer may join is asked of the kernel before anything is received: our
 * own user, root, and whom `trusted` takes. A peer that is silent waits here, for two seconds and with
 * DOOR_PEERS others at most, and holds up nobody.
 */
enum { DOOR_PEERS = 64 };
struct door_peer {
    int fd;
    pid_t pid; /* in our namespace, of when it connected */
    uid_t uid;
    int64_t until_ns; /* CLOCK_MONOTONIC */
};
struct door {
    int listener; /* borrowed */
    int epoll_fd; /* readable while door_next() has something to do */
    bool (*trusted)(pid_t pid, void *context);
    void *context;
    struct door_peer peer[DOOR_PEERS]; /* oldest first */
    unsigned peers;
    bool is_paused;   /* there was no descriptor left */
    uint64_t secrets; /* who has others, and has any, is sent elsewhere */
};

int door_open(struct door *door, int listener, bool (*trusted)(pid_t pid, void *context), void *context);

/* The next target, without waiting for one. -EAGAIN: nobody is there. -ENOMSG: a peer has sent nothing yet, or
   only asked whether the uploader lives. -EPROTO or -EPERM: refused. Then *join has nothing to close, and a
   line was logged. */
int door_next(struct door *door, struct join *join);

/* Once a second: sends away who has been silent for too long. */
void door_tick(struct door *door, int64_t now_ns);

void door_close(struct door *door);

/* Fills in join for a process and its memfd: what a program that started us hands over. Takes over memfd. */
void join_direct(struct join *join, pid_t pid, int memfd);

/* Hands the target on to the uploader that has the name. 0 or negative errno; -ECONNREFUSED: there is none;
   -EPERM: it is another user's. */
int join_forward(const char *name, const struct join *join, uint64_t secrets);

void join_close(struct join *join);

#endif
