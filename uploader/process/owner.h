/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns a process, and whether the uploader may read its memory and files itself.
 *
 * An uploader of root's serves programs of other users and of containers. Such a program chooses what lies at
 * the addresses that are read (userfaultfd, a file of a FUSE file system). A reader waits until the program
 * answers. And the program chooses paths, so only files may be opened that its user may read.
 *
 * So a helper process does both, which may hang without harm, and opens files as that user. A helper that
 * does not answer is killed, and nothing is read for that user from then on. Memory and files of the
 * uploader's own user, and of root in the uploader's own root, are read directly. One thread only.
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

/* What is known of a process that may have ended already: the user that handed it over. */
void owner_begin(struct owner *owner, uid_t uid);

/* Reads the owner of the process that this thread belongs to. It may change, when a program gives up root. If
   the kernel does not tell, the owner stays as it was. */
void owner_read(struct owner *owner, pid_t pid, pid_t tid);

/* As process_vm_readv(), for OWNER_VECTORS at most, but returns negative errno. -ETIMEDOUT: it hung, now or
   before. NULL: trusted. */
ssize_t owner_copy(const struct owner *owner, pid_t tid, const struct iovec *local,
                   const struct iovec *remote, unsigned count);

/* rooted_open() for this owner; NULL: trusted. path "": the file that root_fd is an O_PATH descriptor of. */
int owner_open(const struct owner *owner, int root_fd, const char *path);

#endif
