/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the uploader, so that the target keeps nothing of it: no child, no zombie, no SIGCHLD, no
 * descriptor. */
#ifndef CPROF_PRELOAD_LAUNCH_H
#define CPROF_PRELOAD_LAUNCH_H

#include <stdbool.h>

/*
 * memfd becomes the uploader's descriptor 3, and listener, a socket that has the session's name, its
 * descriptor 4, on which it listens already when this returns: who connects from then on is served when the
 * uploader has come so far. may_speak: it keeps the target's stderr until it has started, to say why it does
 * not.
 *
 * 0 once it is executing as *pid, or negative errno; *path is then the program that was tried last, in memory
 * that stays valid. -EXDEV: a child of this process would be in another pid namespace. Signal-safe; takes up
 * to some ms.
 */
int launch_uploader(int memfd, int listener, bool may_speak, int *pid, const char **path);

#endif
