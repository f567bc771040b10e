/* SPDX-License-Identifier: Apache-2.0 */
#include "join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "options.h"

enum { BACKLOG = 1024, JOIN_FDS = 2, ROOT = 0 };

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

static int connect_to(const char *name)
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

/* A path whose socket nobody listens on is what an uploader that was killed leaves. */
static bool remove_stale(const char *name)
{
    struct stat st;
    int fd;

    if (*name == '@' || lstat(name, &st) || !S_ISSOCK(st.st_mode))
        return false;
    fd = connect_to(name);
    if (fd >= 0)
        close(fd);
    return fd == -ECONNREFUSED && !unlink(name);
}

int join_listen(const char *name)
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
    rc = rc || listen(fd, BACKLOG) ? -errno : fd;
    umask(mask);
    if (rc < 0)
        close(fd);
    return rc;
}

int join_adopt(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK) || listen(fd, BACKLOG))
        return -errno;
    return fd;
}

/* The number of a pidfd's process in our namespace; 0 when it has none (any more). */
static pid_t pidfd_pid(int pidfd)
{
    char path[64], line[128];
    int pid = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Pid: %d", &pid) == 1)
            break;
    if (file)
        fclose(file);
    return pid > 0 ? pid : 0;
}

static int open_pidfd(pid_t pid)
{
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

/* One message with its descriptors. Those that are not asked for are closed. */
static int receive(int fd, struct hello *hello, int fds[JOIN_FDS])
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(JOIN_FDS * sizeof(int))];
    } control;
    struct iovec iov = {hello, sizeof *hello};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

    fds[0] = fds[1] = -1;
    if (got <= 0)
        return got ? -errno : -ENOMSG;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    if (got != sizeof *hello || fds[0] == -1 || hello->magic != HELLO_MAGIC)
        return message.msg_flags & MSG_CTRUNC ? -EMFILE : -EPROTO;
    return hello->version == LAYOUT_VERSION && hello->size == sizeof(struct segment) ? 0 : -EPROTONOSUPPORT;
}

static void close_fds(const int fds[JOIN_FDS])
{
    for (int i = 0; i < JOIN_FDS; i++)
        if (fds[i] != -1)
            close(fds[i]);
}

static void log_refusal(int rc, pid_t pid, const struct hello *hello)
{
    if (rc == -EPROTONOSUPPORT)
        log_warn("process %d is not profiled: its libcprof.so is of another version (layout %u, size %llu; "
                 "ours are "
                 "%u, %zu)",
                 pid, hello->version, (unsigned long long)hello->size, LAYOUT_VERSION,
                 sizeof(struct segment));
    else if (rc == -EPERM)
        log_warn("process %d is not profiled: it belongs to another user", pid);
    else
        log_warn("process %d is not profiled: its message could not be read: %s", pid, strerror(-rc));
}

/* With a pidfd that another uploader hands on, the process is the pidfd's; else it is the peer itself. */
static int take(int fd, struct join *join, const struct hello *hello, const int fds[JOIN_FDS])
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
        return -errno;
    *join = (struct join){.pid = peer.pid, .uid = peer.uid, .memfd = fds[0], .pidfd = fds[1]};
    if (hello->flags & HELLO_FORWARDED)
        join->pid = fds[1] == -1 ? hello->pid : pidfd_pid(fds[1]);
    else if (fds[1] != -1)
        return -EPROTO;
    else
        join->pidfd = open_pidfd(peer.pid);
    return 0;
}

int join_accept(int listener, struct join *join, bool (*trusted)(pid_t pid, void *context), void *context)
{
    /* The message is sent right after connect(); a peer that connects and is silent must not stop the
     * session. */
    static const struct timeval patience = {.tv_usec = 100000};
    struct hello hello = {0};
    int fds[JOIN_FDS] = {-1, -1}, rc, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd == -1)
        return errno == ECONNABORTED || errno == EINTR ? -EAGAIN : -errno;
    *join = (struct join){.memfd = -1, .pidfd = -1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    rc = receive(fd, &hello, fds);
    if (!rc)
        rc = take(fd, join, &hello, fds);
    if (!rc && join->uid != geteuid() && join->uid != ROOT && !trusted(join->pid, context))
        rc = -EPERM;
    close(fd);
    if (rc && rc != -ENOMSG) {
        log_refusal(rc, join->pid ? join->pid : hello.pid, &hello);
        if (join->pidfd != -1 && join->pidfd != fds[1])
            close(join->pidfd);
        close_fds(fds);
        rc = rc == -EPERM ? -EPERM : -EPROTO;
    }
    return rc;
}

void join_direct(struct join *join, pid_t pid, int memfd)
{
    fcntl(memfd, F_SETFD, FD_CLOEXEC);
    *join = (struct join){.pid = pid, .uid = geteuid(), .memfd = memfd, .pidfd = open_pidfd(pid)};
}

int join_forward(const char *name, const struct join *join)
{
    struct hello hello = {HELLO_MAGIC, LAYOUT_VERSION, HELLO_FORWARDED, join->pid, sizeof(struct segment)};
    size_t fds = join->pidfd == -1 ? 1 : 2;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(JOIN_FDS * sizeof(int))];
    } control = {0};
    struct iovec iov = {&hello, sizeof hello};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(fds * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    int fd = connect_to(name), rc = 0;

    if (fd < 0)
        return fd;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds * sizeof(int));
    memcpy(CMSG_DATA(c), (int[JOIN_FDS]){join->memfd, join->pidfd}, fds * sizeof(int));
    if (sendmsg(fd, &message, MSG_NOSIGNAL) != sizeof hello)
        rc = -errno;
    close(fd);
    return rc;
}

void join_close(struct join *join)
{
    if (join->memfd != -1)
        close(join->memfd);
    if (join->pidfd != -1)
        close(join->pidfd);
    join->memfd = join->pidfd = -1;
}
