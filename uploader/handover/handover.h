/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-over of a process to an uploader: its segment, and descriptors to watch it by. It comes from the
 * process itself (acceptor.h), from the keeper (keeper.h), or from another uploader. One thread only.
 */
#ifndef CPROF_UPLOADER_HANDOVER_H
#define CPROF_UPLOADER_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HANDOVER_FDS = 2 }; /* that come with a message: segment and pidfd */

/* One process. The holder of the struct owns the descriptors. */
struct handover {
    pid_t pid; /* in our pid namespace; 0: it has none there */
    uid_t uid; /* of the peer */
    int memfd;
    int pidfd;      /* -1: the process is gone already, or cannot be watched */
    bool has_files; /* of the process: the two below were opened */
    int root_fd, exe_fd;
    uint64_t id;              /* by which our keeper knows it; 0: it does not */
    bool was_held, has_ended; /* an earlier uploader had it; its process goes on without it */
};
#define HANDOVER_NONE ((struct handover){.memfd = -1, .pidfd = -1, .root_fd = -1, .exe_fd = -1})

/* Fills in a process that started this uploader, and its memfd, which is taken over. */
void handover_direct(struct handover *handover, pid_t pid, int memfd);

/* Hands the process on to the uploader that has the name. 0 or negative errno; -ECONNREFUSED: there is none;
   -EPERM: it is another user's. */
int handover_forward(const char *name, const struct handover *handover, uint64_t secrets);

/* The uploader's own user and root. They may hand over other processes than themselves, and may be handed
   processes. */
bool handover_may_speak(uid_t uid);

/* -1: it is gone, or out of our sight. */
int handover_open_pidfd(pid_t pid);

void handover_close(struct handover *handover);

#endif
