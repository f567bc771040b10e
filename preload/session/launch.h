/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the uploader, so that the target keeps nothing of it: no child, no zombie, no SIGCHLD, no
 * descriptor. */
#ifndef CPROF_PRELOAD_LAUNCH_H
#define CPROF_PRELOAD_LAUNCH_H

#include <stdbool.h>

/*
 * memfd becomes the uploader's descriptor 3. listener, a socket with the session's name, becomes its
 * descriptor 4. The socket listens already when this returns, and the uploader serves those who connected
 * once it has started. may_speak: it keeps the target's stderr until then, to say why it does not start.
 *
 * Returns 0 once it is executing as *pid, or negative errno. *path is then the program that was tried last, in
 * memory that stays valid. -EXDEV: a child of this process would be in another pid namespace. Signal-safe;
 * takes up to some ms.
 */
int launch_uploader(int memfd, int listener, bool may_speak, int *pid, const char **path);

#endif
