/* SPDX-License-Identifier: Apache-2.0 */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampler/segment/layout.h"
#include "socket_name.h"

bool handover_may_speak(uid_t uid)
{
    return uid == geteuid() || uid == 0;
}

int handover_open_pidfd(pid_t pid)
{
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

/* A process is handed to an uploader of the same user or of root only. */
static int check_listener(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
        return -errno;
    return handover_may_speak(peer.uid) ? 0 : -EPERM;
}

void handover_direct(struct handover *handover, pid_t pid, int memfd)
{
    fcntl(memfd, F_SETFD, FD_CLOEXEC);
    *handover = (struct handover){.pid = pid,
                                  .uid = geteuid(),
                                  .memfd = memfd,
                                  .pidfd = handover_open_pidfd(pid),
                                  .root_fd = -1,
                                  .exe_fd = -1};
}

int handover_forward(const char *name, const struct handover *handover, uint64_t secrets)
{
    struct hello hello = {HELLO_MAGIC,   LAYOUT_VERSION,         HELLO_FORWARDED,
                          handover->pid, sizeof(struct segment), secrets};
    size_t fds = handover->pidfd == -1 ? 1 : 2;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(HANDOVER_FDS * sizeof(int))];
    } control = {0};
    struct iovec iov = {&hello, sizeof hello};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(fds * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    int fd = socket_name_connect(name), rc = 0;

    if (fd < 0)
        return fd;
    rc = check_listener(fd);
    if (rc) {
        close(fd);
        return rc;
    }
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds * sizeof(int));
    memcpy(CMSG_DATA(c), (int[HANDOVER_FDS]){handover->memfd, handover->pidfd}, fds * sizeof(int));
    if (sendmsg(fd, &message, MSG_NOSIGNAL) != sizeof hello)
        rc = -errno;
    close(fd);
    return rc;
}

void handover_close(struct handover *handover)
{
    if (handover->memfd != -1)
        close(handover->memfd);
    if (handover->pidfd != -1)
        close(handover->pidfd);
    if (handover->has_files && handover->root_fd != -1)
        close(handover->root_fd);
    if (handover->has_files && handover->exe_fd != -1)
        close(handover->exe_fd);
    *handover = HANDOVER_NONE;
}
