/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a process is, and whether we may read its memory and files ourselves.
 *
 * An uploader of root's serves programs of other users and of containers. Such a program chooses what lies at
 * the addresses that are read (userfaultfd, a file of a file system in user space): who reads it waits until
 * the program pleases. And it chooses paths: what is opened for it must be what its user may read. So both
 * are done by a process of ours that may hang without harm, files as that user. One that does not answer is
 * killed, and nothing is read for that user from then on. Memory and files of our own user's programs, and of
 * root's in our own root, are read directly. One thread only.
 */
#ifndef CPROF_UPLOADER_OWNER_H
#define CPROF_UPLOADER_OWNER_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { OWNER_GROUPS = 64, OWNER_VECTORS = 64 };

/* Zero: not trusted, nobody. */
struct owner {
    bool trusted;
    dev_t root_device; /* of its root directory */
    ino_t root_inode;
    uid_t uid;
    gid_t gid;
    unsigned groups;
    gid_t group[OWNER_GROUPS];
};

/* What is known of a process that may have ended already: who spoke for it. */
void owner_begin(struct owner *owner, uid_t uid);

/* Of the process that this thread belongs to. It may change: a program that gives up root does. Where it is
   not told, the owner stays as it was. */
void owner_read(struct owner *owner, pid_t pid, pid_t tid);

/* As process_vm_readv(), OWNER_VECTORS at most; but negative errno. -ETIMEDOUT: it hung, or has before. NULL:
   trusted. */
ssize_t owner_copy(const struct owner *owner, pid_t tid, const struct iovec *local,
                   const struct iovec *remote, unsigned count);

/* rooted_open() for this owner; NULL: trusted. path "": the file itself that root_fd is an O_PATH descriptor
 * of. */
int owner_open(const struct owner *owner, int root_fd, const char *path);

#endif
