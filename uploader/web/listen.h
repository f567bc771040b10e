/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of CPROF_LISTEN. One thread only. */
#ifndef CPROF_UPLOADER_WEB_LISTEN_H
#define CPROF_UPLOADER_WEB_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LISTEN_TEXT = sizeof(((struct sockaddr_un *)0)->sun_path) + 16 };

/* Where to listen. */
struct listen_address {
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_storage room;
    } socket;
    socklen_t size;
    bool is_unix;
    bool is_loopback; /* or a unix socket */
};

/* "127.0.0.1:6060", "[::1]:6060", "localhost:6060", ":6060" (every address of the machine) or "unix:PATH". A relative path
   counts from the working directory. 0; -EINVAL: it is none of these; -ENAMETOOLONG: the path is too long. */
int listen_parse(const char *text, struct listen_address *address);

/* A listening socket, or negative errno. A unix socket that nobody listens at any more is replaced. */
int listen_open(const struct listen_address *address);

/* The address in use, with the port that was chosen, as listen_parse() reads it. */
void listen_text(int fd, char text[LISTEN_TEXT]);

#endif
