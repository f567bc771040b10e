/* SPDX-License-Identifier: Apache-2.0 */
/* The session's socket: how a target's segment comes in, and how one uploader hands it on to another. */
#ifndef CPROF_UPLOADER_JOIN_H
#define CPROF_UPLOADER_JOIN_H

#include <stdbool.h>
#include <sys/types.h>

/* One target that wants in. The descriptors are owned by whoever holds the struct. */
struct join {
    pid_t pid; /* in our pid namespace; 0: it has none there */
    uid_t uid; /* of the peer */
    int memfd;
    int pidfd; /* -1: the process is gone already, or cannot be watched */
};

/* Takes the name. '@' first: abstract; else a path, made with mode 0600, where a socket nobody listens on is
   replaced. Returns the descriptor (non-blocking, close-on-exec) or negative errno; -EADDRINUSE: somebody
   listens there. */
int join_listen(const char *name);

/* The same for a socket that has its name already and was inherited. */
int join_adopt(int fd);

/* The next target, without waiting for one. -EAGAIN: nobody is there. -ENOMSG: somebody only asked
   whether we live. -EPROTO or -EPERM: refused, *join has
   nothing to close, and a line was logged. trusted: tells whether a peer of another user may join. */
int join_accept(int listener, struct join *join, bool (*trusted)(pid_t pid, void *context), void *context);

/* Fills in join for a process and its memfd: what a program that started us hands over. Takes over memfd. */
void join_direct(struct join *join, pid_t pid, int memfd);

/* Hands the target on to the uploader that has the name. 0 or negative errno; -ECONNREFUSED: there is none.
 */
int join_forward(const char *name, const struct join *join);

void join_close(struct join *join);

#endif
