/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens a file whose path a target chose. It lies inside the target's root, whatever links lead out of it,
 * and is a regular file. One thread only.
 */
#ifndef CPROF_UPLOADER_ROOTED_H
#define CPROF_UPLOADER_ROOTED_H

/* Opens for reading. The directory is "/" for symbolic links, too; root_fd -1: the uploader's own root.
   Devices, FIFOs and the like are never opened. Links of /proc that lead elsewhere are followed in the own
   root only. Returns a descriptor or negative errno. -EINVAL: no regular file. */
int rooted_open(int root_fd, const char *path);

/* The same for an untrusted user. In our own root no link of /proc is followed either. A file system that may
   be that user's own program (FUSE), or that holds no files, is refused with -EPERM. path "": what root_fd
   itself is. May hang, so owner.c's helper does it, as that user. */
int rooted_open_guarded(int root_fd, const char *path);

/* What openat2() does, for kernels and filters that have none. As rooted_open(), but returns an O_PATH
   descriptor of any file. Public for the tests. */
int rooted_walk(int root_fd, const char *path);

#endif
