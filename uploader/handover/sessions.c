/* SPDX-License-Identifier: Apache-2.0 */
#include "sessions.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_name.h"

#define NAMES "@cprof-"

/* Who listens there; -1: nobody knows. */
static uid_t owner_of(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) ? (uid_t)-1 : peer.uid;
}

static bool is_trusted(uid_t owner)
{
    return owner != (uid_t)-1 && (owner == geteuid() || geteuid() == 0);
}

/* A line of /proc/net/unix: address, references, protocol, flags, type, state, inode, name. A socket that listens has
   the flag 10000; that of a session is of type 5. */
static const char *name_of_listener(const char *line)
{
    unsigned flags, type;
    int at = 0;

    if (sscanf(line, "%*[^:]: %*x %*x %x %x %*x %*u %n", &flags, &type, &at) != 2 || !at ||
        !(flags & 0x10000) || type != 5)
        return NULL;
    return strncmp(line + at, NAMES, strlen(NAMES)) ? NULL : line + at;
}

static bool is_ours(const char *name)
{
    int fd = socket_name_connect(name);
    bool trusted;

    if (fd < 0)
        return false;
    trusted = is_trusted(owner_of(fd));
    close(fd);
    return trusted;
}

size_t sessions_find(char name[SESSIONS_MOST][SESSION_NAME])
{
    FILE *file = fopen("/proc/net/unix", "re");
    size_t found = 0, room = 0;
    char *line = NULL;

    while (file && found < SESSIONS_MOST && getline(&line, &room, file) > 0) {
        const char *text = name_of_listener(line);
        size_t length = text ? strcspn(text, "\n") : SESSION_NAME;
        if (length >= SESSION_NAME)
            continue;
        memcpy(name[found], text, length);
        name[found][length] = 0;
        found += is_ours(name[found]);
    }
    free(line);
    if (file)
        fclose(file);
    return found;
}

int sessions_connect(const char *name)
{
    int fd = socket_name_connect(name);

    if (fd < 0) {
        fprintf(stderr, "cprof: no session answers at %s: %s\n", name, strerror(-fd));
        return fd;
    }
    if (is_trusted(owner_of(fd)))
        return fd;
    fprintf(stderr, "cprof: the session %s is of user %d; only that user and root may ask it\n", name,
            (int)owner_of(fd));
    close(fd);
    return -EPERM;
}
