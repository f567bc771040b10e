/* SPDX-License-Identifier: Apache-2.0 */
/* The session's socket, by its name. A name that begins with '@' is abstract, any other is a path. */
#ifndef CPROF_UPLOADER_SOCKET_NAME_H
#define CPROF_UPLOADER_SOCKET_NAME_H

enum { SOCKET_BACKLOG = 1024 };

/* Takes the name. A path gets mode 0600, and replaces a socket that nobody listens on. Returns the descriptor
   (non-blocking, close-on-exec) or negative errno. -EADDRINUSE: somebody listens there. */
int socket_name_listen(const char *name);

/* Returns a descriptor or negative errno; -ECONNREFUSED: nobody listens there. */
int socket_name_connect(const char *name);

#endif
