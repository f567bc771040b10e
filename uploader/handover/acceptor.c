/* SPDX-License-Identifier: Apache-2.0 */
#include "acceptor.h"

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
#include "socket_name.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/process/proc_text.h"

enum { PEERPIDFD = 77 /* SO_PEERPIDFD, which old headers lack */ };
#define PEER_PATIENCE_NS (2 * SECOND_NS)
__attribute__((used)) static const char layout_mark[] = LAYOUT_MARK;

int acceptor_inherit(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK) || listen(fd, SOCKET_BACKLOG))
        return -errno;
    return fd;
}

/* The number of a pidfd's process in this pid namespace. 0: it has none (any more). -1: the descriptor is no
   pidfd. */
static pid_t pidfd_pid(int pidfd)
{
    char path[64], text[512];
    int pid;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    if (proc_read(path, text, sizeof text) <= 0 || !proc_number_parse(text, "Pid", &pid))
        return -1;
    return pid > 0 ? pid : 0;
}

/* By the socket if the kernel can (6.5), because the number may be another process's by now. */
static int open_peer(int fd, pid_t pid)
{
    int pidfd = -1;
    socklen_t size = sizeof pidfd;

    if (pid > 0 && getsockopt(fd, SOL_SOCKET, PEERPIDFD, &pidfd, &size) && errno == ENOPROTOOPT)
        pidfd = handover_open_pidfd(pid);
    return pidfd;
}

static void close_fds(const int fds[HANDOVER_FDS])
{
    for (int i = 0; i < HANDOVER_FDS; i++)
        if (fds[i] != -1)
            close(fds[i]);
}

/* Every descriptor of a message is open by now. The first ones are kept, the others are closed. */
static void take_descriptors(struct msghdr *message, int fds[HANDOVER_FDS])
{
    int count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (count < HANDOVER_FDS)
                fds[count++] = fd;
            else
                close(fd);
        }
    }
}

/* One message, with a zero behind it. */
struct arrived {
    union {
        struct hello hello;
        char bytes[ACCEPTOR_MESSAGE + 1];
    };
    size_t size;
    int fds[HANDOVER_FDS];
};

/* Receives one message. The caller closes its descriptors, whatever is returned. -ENOTSUP: it is no hand-over. */
static int receive(int fd, struct arrived *arrived)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(HANDOVER_FDS * sizeof(int))]; /* the kernel drops what does not fit */
    } control;
    struct iovec iov = {arrived->bytes, ACCEPTOR_MESSAGE};
    const struct hello *hello = &arrived->hello;
    int *fds = arrived->fds;
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    fds[0] = fds[1] = -1;
    if (got < 0)
        return -errno;
    take_descriptors(&message, fds);
    arrived->size = (size_t)got;
    arrived->bytes[got] = 0;
    if (!got)
        return fds[0] == -1 ? -ENOMSG : -EPROTO;
    if (fds[0] == -1 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return -ENOTSUP;
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

/* With HELLO_FORWARDED the process is that of the pidfd, and only the uploader's own user and root may say
   so. Else it is the peer itself. */
static int take(const struct acceptor_peer *peer, struct handover *handover, const struct hello *hello,
                const int fds[HANDOVER_FDS])
{
    *handover = (struct handover){
        .pid = peer->pid, .uid = peer->uid, .memfd = fds[0], .pidfd = fds[1], .root_fd = -1, .exe_fd = -1};
    if (!(hello->flags & HELLO_FORWARDED)) {
        if (fds[1] != -1)
            return -EPROTO;
        handover->pidfd = open_peer(peer->fd, peer->pid);
        return 0;
    }
    if (!handover_may_speak(peer->uid))
        return -EACCES;
    handover->pid = fds[1] == -1 ? hello->pid : pidfd_pid(fds[1]);
    return handover->pid < 0 ? -EPROTO : 0;
}

/* The process has other credentials than this session, and would be pushed under them. It finds the mark
   here, and goes to another uploader. */
static void send_elsewhere(int memfd)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    const size_t size = offsetof(struct segment, control) + sizeof(struct seg_control);
    int present = fcntl(memfd, F_GET_SEALS);
    struct stat st;
    struct segment *segment;

    if (present == -1 || (present & seals) != seals || fstat(memfd, &st) ||
        st.st_size != sizeof(struct segment))
        return;
    segment = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (segment == MAP_FAILED)
        return;
    atomic_store_explicit(&segment->control.wrong_session, 1, memory_order_relaxed);
    munmap(segment, size);
}

/* The peer's descriptor is closed afterwards, so another one goes on. */
static bool ask(const struct acceptor *acceptor, const struct acceptor_peer *peer,
                const struct arrived *arrived)
{
    int fd = acceptor->ask && handover_may_speak(peer->uid) ? fcntl(peer->fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (fd == -1)
        return false;
    if (acceptor->ask(fd, peer, arrived->bytes, arrived->size, acceptor->context))
        return true;
    close(fd);
    return false;
}

/* -EAGAIN: the message has not come yet. */
static int peer_receive(const struct acceptor *acceptor, const struct acceptor_peer *peer,
                        struct handover *handover)
{
    struct arrived arrived = {.hello = {0}};
    const struct hello *hello = &arrived.hello;
    int rc = receive(peer->fd, &arrived), *fds = arrived.fds;

    if (rc == -EAGAIN)
        return rc;
    if (!rc && hello->secrets && hello->secrets != acceptor->secrets) {
        send_elsewhere(fds[0]);
        close_fds(fds);
        *handover = HANDOVER_NONE;
        log_info("process %d has other credentials for the server: it gets another uploader", peer->pid);
        return -ENOMSG;
    }
    if (!rc)
        rc = take(peer, handover, hello, fds);
    if (!rc)
        return 0;
    close_fds(fds);
    *handover = HANDOVER_NONE;
    if (rc == -ENOMSG || rc == -ECONNRESET || (rc == -ENOTSUP && ask(acceptor, peer, &arrived)))
        return -ENOMSG;
    if (rc == -ENOTSUP)
        rc = -EPROTO;
    log_refusal(rc, peer->pid, hello);
    return rc == -EACCES ? -EPERM : -EPROTO;
}

static void peer_drop(struct acceptor *acceptor, unsigned index)
{
    close(acceptor->peer[index].fd);
    acceptor->peers--;
    memmove(&acceptor->peer[index], &acceptor->peer[index + 1],
            (acceptor->peers - index) * sizeof acceptor->peer[0]);
}

static int acceptor_watch(struct acceptor *acceptor, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* The message comes shortly after connect(). If too many peers are silent, the oldest is dropped. */
static void peer_wait(struct acceptor *acceptor, const struct acceptor_peer *peer)
{
    if (acceptor->peers == ACCEPTOR_PEERS)
        peer_drop(acceptor, 0);
    acceptor->peer[acceptor->peers++] = *peer;
    if (acceptor_watch(acceptor, peer->fd))
        peer_drop(acceptor, acceptor->peers - 1);
}

/* A peer that may not join is dropped before anything is received from it. */
static int peer_accept(struct acceptor *acceptor, struct handover *handover)
{
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    struct acceptor_peer peer = {.fd = accept4(acceptor->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    int rc = -EPERM;

    if (peer.fd == -1)
        return errno == ECONNABORTED || errno == EINTR ? -ENOMSG : -errno;
    if (!getsockopt(peer.fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length)) {
        peer.pid = credentials.pid;
        peer.uid = credentials.uid;
        peer.until_ns = monotonic_ns() + PEER_PATIENCE_NS;
        if (handover_may_speak(peer.uid) || acceptor->trusted(peer.pid, acceptor->context))
            rc = peer_receive(acceptor, &peer, handover);
        else
            log_refusal(rc, peer.pid, NULL);
    }
    if (rc == -EAGAIN) {
        peer_wait(acceptor, &peer);
        return -ENOMSG;
    }
    close(peer.fd);
    return rc;
}

int acceptor_open(struct acceptor *acceptor, int listener, bool (*trusted)(pid_t pid, void *context),
                  void *context)
{
    int rc;

    *acceptor = (struct acceptor){.listener = listener, .trusted = trusted, .context = context};
    acceptor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (acceptor->epoll_fd == -1)
        return -errno;
    rc = acceptor_watch(acceptor, listener);
    if (rc)
        close(acceptor->epoll_fd);
    return rc;
}

/* Without a free descriptor nothing can be accepted, and the listener would stay ready. */
static int acceptor_pause(struct acceptor *acceptor, int rc)
{
    epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_DEL, acceptor->listener, NULL);
    acceptor->is_paused = true;
    log_warn("nobody can join for a moment: %s", strerror(-rc));
    return -EAGAIN;
}

int acceptor_next(struct acceptor *acceptor, struct handover *handover)
{
    struct epoll_event event;
    int rc;

    *handover = HANDOVER_NONE;
    if (epoll_wait(acceptor->epoll_fd, &event, 1, 0) != 1)
        return -EAGAIN;
    if (event.data.fd == acceptor->listener) {
        rc = peer_accept(acceptor, handover);
        return rc == -EAGAIN || rc == -EINVAL ? -EAGAIN
               : rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM
                   ? acceptor_pause(acceptor, rc)
                   : rc;
    }
    for (unsigned i = 0; i < acceptor->peers; i++) {
        if (acceptor->peer[i].fd != event.data.fd)
            continue;
        rc = peer_receive(acceptor, &acceptor->peer[i], handover);
        if (rc == -EAGAIN)
            return -ENOMSG;
        peer_drop(acceptor, i);
        return rc;
    }
    return -ENOMSG;
}

void acceptor_tick(struct acceptor *acceptor, int64_t now_ns)
{
    while (acceptor->peers && now_ns >= acceptor->peer[0].until_ns)
        peer_drop(acceptor, 0);
    if (acceptor->is_paused && !acceptor_watch(acceptor, acceptor->listener))
        acceptor->is_paused = false;
}

void acceptor_close(struct acceptor *acceptor)
{
    while (acceptor->peers)
        peer_drop(acceptor, 0);
    if (acceptor->epoll_fd > 0)
        close(acceptor->epoll_fd);
    acceptor->epoll_fd = -1;
}
