/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the uploader, so that the target keeps nothing of it: no child, no zombie, no SIGCHLD, no
 * descriptor. */
#ifndef CPROF_PRELOAD_LAUNCH_H
#define CPROF_PRELOAD_LAUNCH_H

/* memfd becomes the uploader's descriptor 3, and marker (-1: none) its descriptor 4, which it merely has. 0
   once it is executing as *pid, or negative errno; *path is then the program that was tried last, in memory
   that stays valid. Signal-safe; takes up to some ms. */
int launch_uploader(int memfd, int marker, int *pid, const char **path);

#endif
