/* SPDX-License-Identifier: Apache-2.0 */
#include "join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "sampler/segment/layout.h"
#include "uploader/base/clock.h"
#include "uploader/options/options.h"
#include "uploader/process/proc_text.h"

enum { BACKLOG = 1024, JOIN_FDS = 2, ROOT = 0, PEERPIDFD = 77 /* SO_PEERPIDFD, which old headers lack */ };
#define PEER_PATIENCE_NS (2 * SECOND_NS)

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

static bool is_own_or_root(uid_t uid)
{
    return uid == geteuid() || uid == ROOT;
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

/* What we hand on is another user's business no more than what is handed to us. */
static int check_listener(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
        return -errno;
    return is_own_or_root(peer.uid) ? 0 : -EPERM;
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

/* The number of a pidfd's process in our namespace; 0 when it has none (any more), -1: it is no pidfd. */
static pid_t pidfd_pid(int pidfd)
{
    char path[64], text[512];
    int pid;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    if (proc_read(path, text, sizeof text) <= 0 || !proc_number_parse(text, "Pid", &pid))
        return -1;
    return pid > 0 ? pid : 0;
}

static int open_pidfd(pid_t pid)
{
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

/* By the socket where the kernel can (6.5): a number may be another process's by now. */
static int open_peer(int fd, pid_t pid)
{
    int pidfd = -1;
    socklen_t size = sizeof pidfd;

    if (pid > 0 && getsockopt(fd, SOL_SOCKET, PEERPIDFD, &pidfd, &size) && errno == ENOPROTOOPT)
        pidfd = open_pidfd(pid);
    return pidfd;
}

static void close_fds(const int fds[JOIN_FDS])
{
    for (int i = 0; i < JOIN_FDS; i++)
        if (fds[i] != -1)
            close(fds[i]);
}

/* Every descriptor of a message is in our table by now: the first ones are asked for, others are closed. */
static void take_descriptors(struct msghdr *message, int fds[JOIN_FDS])
{
    int count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (count < JOIN_FDS)
                fds[count++] = fd;
            else
                close(fd);
        }
    }
}

/* One message. Its descriptors are the caller's to close, whatever is returned. */
static int receive(int fd, struct hello *hello, int fds[JOIN_FDS])
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(JOIN_FDS * sizeof(int))]; /* the kernel drops what does not fit */
    } control;
    struct iovec iov = {hello, sizeof *hello};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    fds[0] = fds[1] = -1;
    if (got < 0)
        return -errno;
    take_descriptors(&message, fds);
    if (!got)
        return fds[0] == -1 ? -ENOMSG : -EPROTO;
    if (got != sizeof *hello || message.msg_flags & MSG_TRUNC || fds[0] == -1 || hello->magic != HELLO_MAGIC)
        return message.msg_flags & MSG_CTRUNC ? -EMFILE : -EPROTO;
    return hello->version == LAYOUT_VERSION && hello->size == sizeof(struct segment) ? 0 : -EPROTONOSUPPORT;
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
    else if (rc == -EACCES)
        log_warn("process %d is refused: it speaks for another process, which its user may not", pid);
    else
        log_warn("process %d is not profiled: its message could not be read: %s", pid, strerror(-rc));
}

/* With HELLO_FORWARDED the process is the pidfd's, which only our own user and root may say; else it is the
   peer itself. */
static int take(const struct door_peer *peer, struct join *join, const struct hello *hello,
                const int fds[JOIN_FDS])
{
    *join = (struct join){
        .pid = peer->pid, .uid = peer->uid, .memfd = fds[0], .pidfd = fds[1], .root_fd = -1, .exe_fd = -1};
    if (!(hello->flags & HELLO_FORWARDED)) {
        if (fds[1] != -1)
            return -EPROTO;
        join->pidfd = open_peer(peer->fd, peer->pid);
        return 0;
    }
    if (!is_own_or_root(peer->uid))
        return -EACCES;
    join->pid = fds[1] == -1 ? hello->pid : pidfd_pid(fds[1]);
    return join->pid < 0 ? -EPROTO : 0;
}

/* It would push under another name than its owner's. It finds that here, and goes to another uploader. */
static void send_elsewhere(int memfd)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    const off_t at = offsetof(struct segment, control) / LAYOUT_PAGE * LAYOUT_PAGE;
    int present = fcntl(memfd, F_GET_SEALS);
    struct stat st;
    uint8_t *page;

    if (present == -1 || (present & seals) != seals || fstat(memfd, &st) ||
        st.st_size != sizeof(struct segment))
        return;
    page = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, at);
    if (page == MAP_FAILED)
        return;
    atomic_store_explicit(
        &((struct seg_control *)(void *)(page + offsetof(struct segment, control) - at))->wrong_session, 1,
        memory_order_relaxed);
    munmap(page, LAYOUT_PAGE);
}

/* -EAGAIN: the message has not come yet. */
static int peer_receive(const struct door *door, const struct door_peer *peer, struct join *join)
{
    struct hello hello = {0};
    int fds[JOIN_FDS], rc = receive(peer->fd, &hello, fds);

    if (rc == -EAGAIN)
        return rc;
    if (!rc && hello.secrets && hello.secrets != door->secrets) {
        send_elsewhere(fds[0]);
        close_fds(fds);
        *join = JOIN_NONE;
        log_info("process %d has other credentials for the server: it gets another uploader", peer->pid);
        return -ENOMSG;
    }
    if (!rc)
        rc = take(peer, join, &hello, fds);
    if (!rc)
        return 0;
    close_fds(fds);
    *join = JOIN_NONE;
    if (rc == -ENOMSG || rc == -ECONNRESET)
        return -ENOMSG;
    log_refusal(rc, peer->pid, &hello);
    return rc == -EACCES ? -EPERM : -EPROTO;
}

static void peer_drop(struct door *door, unsigned index)
{
    close(door->peer[index].fd);
    door->peers--;
    memmove(&door->peer[index], &door->peer[index + 1], (door->peers - index) * sizeof door->peer[0]);
}

static int door_watch(struct door *door, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(door->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* The message follows connect() at once, but not at the same time. Of too many that are silent the oldest
   goes. */
static void peer_wait(struct door *door, const struct door_peer *peer)
{
    if (door->peers == DOOR_PEERS)
        peer_drop(door, 0);
    door->peer[door->peers++] = *peer;
    if (door_watch(door, peer->fd))
        peer_drop(door, door->peers - 1);
}

/* Who may not join is gone before anything of his is received. */
static int peer_accept(struct door *door, struct join *join)
{
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    struct door_peer peer = {.fd = accept4(door->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    int rc = -EPERM;

    if (peer.fd == -1)
        return errno == ECONNABORTED || errno == EINTR ? -ENOMSG : -errno;
    if (!getsockopt(peer.fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length)) {
        peer.pid = credentials.pid;
        peer.uid = credentials.uid;
        peer.until_ns = monotonic_ns() + PEER_PATIENCE_NS;
        if (is_own_or_root(peer.uid) || door->trusted(peer.pid, door->context))
            rc = peer_receive(door, &peer, join);
        else
            log_refusal(rc, peer.pid, NULL);
    }
    if (rc == -EAGAIN) {
        peer_wait(door, &peer);
        return -ENOMSG;
    }
    close(peer.fd);
    return rc;
}

int door_open(struct door *door, int listener, bool (*trusted)(pid_t pid, void *context), void *context)
{
    int rc;

    *door = (struct door){.listener = listener, .trusted = trusted, .context = context};
    door->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (door->epoll_fd == -1)
        return -errno;
    rc = door_watch(door, listener);
    if (rc)
        close(door->epoll_fd);
    return rc;
}

/* Without a free descriptor the listener would be ready for ever. */
static int door_pause(struct door *door, int rc)
{
    epoll_ctl(door->epoll_fd, EPOLL_CTL_DEL, door->listener, NULL);
    door->is_paused = true;
    log_warn("nobody can join for a moment: %s", strerror(-rc));
    return -EAGAIN;
}

int door_next(struct door *door, struct join *join)
{
    struct epoll_event event;
    int rc;

    *join = JOIN_NONE;
    if (epoll_wait(door->epoll_fd, &event, 1, 0) != 1)
        return -EAGAIN;
    if (event.data.fd == door->listener) {
        rc = peer_accept(door, join);
        return rc == -EAGAIN || rc == -EINVAL                                      ? -EAGAIN
               : rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM ? door_pause(door, rc)
                                                                                   : rc;
    }
    for (unsigned i = 0; i < door->peers; i++) {
        if (door->peer[i].fd != event.data.fd)
            continue;
        rc = peer_receive(door, &door->peer[i], join);
        if (rc == -EAGAIN)
            return -ENOMSG;
        peer_drop(door, i);
        return rc;
    }
    return -ENOMSG;
}

void door_tick(struct door *door, int64_t now_ns)
{
    while (door->peers && now_ns >= door->peer[0].until_ns)
        peer_drop(door, 0);
    if (door->is_paused && !door_watch(door, door->listener))
        door->is_paused = false;
}

void door_close(struct door *door)
{
    while (door->peers)
        peer_drop(door, 0);
    if (door->epoll_fd > 0)
        close(door->epoll_fd);
    door->epoll_fd = -1;
}

void join_direct(struct join *join, pid_t pid, int memfd)
{
    fcntl(memfd, F_SETFD, FD_CLOEXEC);
    *join = (struct join){
        .pid = pid, .uid = geteuid(), .memfd = memfd, .pidfd = open_pidfd(pid), .root_fd = -1, .exe_fd = -1};
}

int join_forward(const char *name, const struct join *join, uint64_t secrets)
{
    struct hello hello = {HELLO_MAGIC, LAYOUT_VERSION,         HELLO_FORWARDED,
                          join->pid,   sizeof(struct segment), secrets};
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
    rc = check_listener(fd);
    if (rc) {
        close(fd);
        return rc;
    }
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
    if (join->has_files && join->root_fd != -1)
        close(join->root_fd);
    if (join->has_files && join->exe_fd != -1)
        close(join->exe_fd);
    *join = JOIN_NONE;
}
