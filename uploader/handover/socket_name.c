/* SPDX-License-Identifier: Apache-2.0 */
#include "socket_name.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t make_address(const char *name, struct sockaddr_un *address)
{
    size_t length = strlen(name);

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length >= sizeof address->sun_path)
        length = sizeof address->sun_path - 1;
    memcpy(address->sun_path, name, length);
    if (*name == '@') {
        address->sun_path[0] = 0;
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    }
    return (socklen_t)sizeof *address;
}

int socket_name_connect(const char *name)
{
    struct sockaddr_un address;
    socklen_t length = make_address(name, &address);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), rc;

    if (fd == -1)
        return -errno;
    if (!connect(fd, (struct sockaddr *)&address, length))
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

/* An uploader that was killed leaves a path whose socket nobody listens on. */
static bool remove_stale(const char *name)
{
    struct stat st;
    int fd;

    if (*name == '@' || lstat(name, &st) || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket_name_connect(name);
    if (fd >= 0)
        close(fd);
    return fd == -ECONNREFUSED && !unlink(name);
}

int socket_name_listen(const char *name)
{
    struct sockaddr_un address;
    socklen_t length = make_address(name, &address);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;
    mode_t mask;

    if (fd == -1)
        return -errno;
    mask = umask(0177);
    rc = bind(fd, (struct sockaddr *)&address, length);
    if (rc && errno == EADDRINUSE && remove_stale(name))
        rc = bind(fd, (struct sockaddr *)&address, length);
    rc = rc || listen(fd, SOCKET_BACKLOG) ? -errno : fd;
    umask(mask);
    if (rc < 0)
        close(fd);
    return rc;
}
