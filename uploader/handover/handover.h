/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-over of a process to an uploader: its segment, and descriptors by which it is watched. It comes
 * from the process itself (acceptor.h), from the keeper (keeper.h), or from another uploader.
 */
#ifndef CPROF_UPLOADER_HANDOVER_H
#define CPROF_UPLOADER_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HANDOVER_FDS = 2 }; /* that come with a message: segment and pidfd */

/* One process. The descriptors are owned by whoever holds the struct. */
struct handover {
    pid_t pid; /* in our pid namespace; 0: it has none there */
    uid_t uid; /* of the peer */
    int memfd;
    int pidfd;      /* -1: the process is gone already, or cannot be watched */
    bool has_files; /* of the process: the two below were opened */
    int root_fd, exe_fd;
    uint64_t id;              /* by which our keeper knows it; 0: it does not */
    bool was_kept, has_ended; /* an uploader before us had it; its process goes on without it */
};
#define HANDOVER_NONE ((struct handover){.memfd = -1, .pidfd = -1, .root_fd = -1, .exe_fd = -1})

/* Fills in a process and its memfd: what a program that started us hands over. Takes over memfd. */
void handover_direct(struct handover *handover, pid_t pid, int memfd);

/* Hands the process on to the uploader that has the name. 0 or negative errno; -ECONNREFUSED: there is none;
   -EPERM: it is another user's. */
int handover_forward(const char *name, const struct handover *handover, uint64_t secrets);

/* Our own user and root: who may hand over other processes than himself, and be handed ours. */
bool handover_may_speak(uid_t uid);

/* -1: it is gone, or out of our sight. */
int handover_open_pidfd(pid_t pid);

void handover_close(struct handover *handover);

#endif
