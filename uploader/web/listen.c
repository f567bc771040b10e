/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"

enum { BACKLOG = 1024 }; /* what does not fit comes again after a second at the earliest */

static int parse_unix(const char *path, struct listen_address *address)
{
    struct sockaddr_un *un = &address->socket.un;
    char directory[PATH_MAX] = "";
    int length;

    if (!*path)
        return -EINVAL;
    if (*path != '/' && !getcwd(directory, sizeof directory))
        return -errno;
    un->sun_family = AF_UNIX;
    length = snprintf(un->sun_path, sizeof un->sun_path, "%s%s%s", directory, *directory ? "/" : "", path);
    address->size = sizeof *un;
    address->is_unix = address->is_loopback = true;
    return length < (int)sizeof un->sun_path ? 0 : -ENAMETOOLONG;
}

static int parse_port(const char *text, in_port_t *port)
{
    unsigned value = 0;

    if (!*text || strlen(text) > 5)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = 10 * value + (unsigned)(*text - '0');
    }
    *port = htons((uint16_t)value);
    return value <= UINT16_MAX ? 0 : -EINVAL;
}

/* host: without a port; "": all of them. */
static int parse_host(const char *host, size_t length, in_port_t port, struct listen_address *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->socket;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->socket;
    char copy[INET6_ADDRSTRLEN + 2] = "";

    if (length >= sizeof copy)
        return -EINVAL;
    memcpy(copy, host, length);
    if (!strcmp(copy, "localhost"))
        strcpy(copy, "127.0.0.1");
    if (inet_pton(AF_INET, copy, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        address->size = sizeof *v4;
        return 0;
    }
    if (length > 2 && copy[0] == '[' && copy[length - 1] == ']') {
        copy[length - 1] = 0;
        if (inet_pton(AF_INET6, copy + 1, &v6->sin6_addr) != 1)
            return -EINVAL;
    } else if (length) {
        return -EINVAL;
    }
    v6->sin6_family = AF_INET6; /* "" and "[::]": IPv4 as well */
    v6->sin6_port = port;
    address->size = sizeof *v6;
    return 0;
}

int listen_parse(const char *text, struct listen_address *address)
{
    const char *colon = strrchr(text, ':');
    struct address plain;
    in_port_t port;
    int rc;

    *address = (struct listen_address){0};
    if (!strncmp(text, "unix:", 5))
        return parse_unix(text + 5, address);
    if (!colon || parse_port(colon + 1, &port))
        return -EINVAL;
    rc = parse_host(text, (size_t)(colon - text), port, address);
    address_of(&address->socket.any, &plain);
    address->is_loopback = !rc && address_is_loopback(&plain);
    return rc;
}

/* Left by an uploader that was killed: a socket of our own that refuses. */
static bool is_left_over(const struct listen_address *address)
{
    const char *path = address->socket.un.sun_path;
    struct stat st;
    int fd, rc;

    if (lstat(path, &st) || !S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = fd == -1 ? 0 : connect(fd, &address->socket.any, address->size) ? -errno : 0;
    if (fd != -1)
        close(fd);
    return rc == -ECONNREFUSED;
}

/* Its mode says who may connect: nobody else. */
static int bind_unix(int fd, const struct listen_address *address)
{
    mode_t mask;
    int rc;

    if (is_left_over(address))
        unlink(address->socket.un.sun_path);
    mask = umask(0177);
    rc = bind(fd, &address->socket.any, address->size) ? -errno : 0;
    umask(mask);
    return rc;
}

static int bind_address(int fd, const struct listen_address *address)
{
    const int on = 1, off = 0;

    if (address->is_unix)
        return bind_unix(fd, address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->socket.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    return bind(fd, &address->socket.any, address->size) ? -errno : 0;
}

/* A kernel without IPv6 has the addresses of IPv4 alone. */
static int make_socket(struct listen_address *address)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->socket;
    int fd = socket(address->socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in v4;

    if (fd != -1 || errno != EAFNOSUPPORT || address->socket.any.sa_family != AF_INET6 ||
        !IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
        return fd;
    v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = v6->sin6_port};
    memcpy(&address->socket, &v4, sizeof v4);
    address->size = sizeof v4;
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int listen_open(const struct listen_address *wanted)
{
    struct listen_address address = *wanted;
    int fd = make_socket(&address), rc;

    if (fd == -1)
        return -errno;
    rc = bind_address(fd, &address);
    if (!rc && listen(fd, BACKLOG))
        rc = -errno;
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

void listen_text(int fd, char text[LISTEN_TEXT])
{
    struct listen_address address = {.size = sizeof address.socket};
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address.socket;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address.socket;
    char host[INET6_ADDRSTRLEN] = "";

    *text = 0;
    if (getsockname(fd, &address.socket.any, &address.size))
        return;
    if (address.socket.any.sa_family == AF_INET)
        snprintf(text, LISTEN_TEXT, "%s:%u", inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host),
                 ntohs(v4->sin_port));
    else if (address.socket.any.sa_family == AF_INET6)
        snprintf(text, LISTEN_TEXT, "[%s]:%u", inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host),
                 ntohs(v6->sin6_port));
    else
        snprintf(text, LISTEN_TEXT, "unix:%s", address.socket.un.sun_path);
}
