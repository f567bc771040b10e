/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a file whose path a target chose: inside of its root, whatever links lead out of it, and a regular
 * file or nothing. One thread only.
 */
#ifndef CPROF_UPLOADER_ROOTED_H
#define CPROF_UPLOADER_ROOTED_H

/* For reading, with the directory as "/" for symbolic links, too; root_fd -1: our own. Devices, FIFOs and the
   like are not opened, not even to look at them; the links of /proc that lead elsewhere are not followed, but
   in our own root. Descriptor or negative errno; -EINVAL: no regular file. */
int rooted_open(int root_fd, const char *path);

/* The same for an untrusted user. In our own root no link of /proc is followed either. A file system that may
   be that user's own program (FUSE), or that holds no files, is refused with -EPERM. path "": what root_fd
   itself is. May hang, so owner.c's helper does it, as that user. */
int rooted_open_guarded(int root_fd, const char *path);

/* The walk that openat2() does, for kernels and filters that have none. As rooted_open(), but the descriptor
   is an O_PATH one, of anything. For the tests. */
int rooted_walk(int root_fd, const char *path);

#endif
