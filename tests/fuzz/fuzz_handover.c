/* SPDX-License-Identifier: Apache-2.0 */
// runs: 350000
/*
 * What comes to the session's socket: messages of any bytes and sizes, none, one or two of them, with any
 * number of descriptors in any number of control messages. Afterwards as many descriptors are open as before.
 *
 * The first bytes say how: descriptors (up to 15), control messages (1 to 4), whether it begins as a real
 * message, how many are sent, whether the peer stays.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sampler/segment/layout.h"
#include "uploader/base/clock.h"
#include "uploader/handover/acceptor.h"
#include "uploader/handover/socket_name.h"

enum { DESCRIPTORS = 15, PARTS = 4, MESSAGE = 64, TURNS = 8 };

static char name[64];
static struct acceptor acceptor;
static int memfd;

static bool trust_nobody(pid_t pid, void *context)
{
    (void)pid;
    (void)context;
    return false;
}

static void open_acceptor(void)
{
    int listener;

    snprintf(name, sizeof name, "@cprof-fuzz-join-%d", (int)getpid());
    listener = socket_name_listen(name);
    memfd = memfd_create("fuzz", MFD_CLOEXEC);
    if (listener < 0 || memfd < 0 || acceptor_open(&acceptor, listener, trust_nobody, NULL))
        abort();
}

static int connect_peer(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
    if (fd < 0 || connect(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))))
        abort();
    return fd;
}

static void send_message(int peer, const void *data, size_t size, unsigned descriptors, unsigned parts)
{
    char control[PARTS * CMSG_SPACE(DESCRIPTORS * sizeof(int))] = {0}, *at = control;
    struct iovec iov = {(void *)data, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    for (unsigned p = 0; p < parts && descriptors; p++, at += CMSG_SPACE(descriptors * sizeof(int))) {
        struct cmsghdr *c = (struct cmsghdr *)at;
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
        for (unsigned i = 0; i < descriptors; i++)
            memcpy(CMSG_DATA(c) + i * sizeof memfd, i % 3 == 2 ? &peer : &memfd, sizeof memfd);
    }
    message.msg_control = at > control ? control : NULL;
    message.msg_controllen = (size_t)(at - control);
    sendmsg(peer, &message, MSG_NOSIGNAL);
}

static int lowest_free(void)
{
    int fd = dup(memfd);
    close(fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[sizeof(struct hello) + MESSAGE] = {0};
    const struct hello real = {HELLO_MAGIC, LAYOUT_VERSION, 0, 1, sizeof(struct segment)};
    struct handover handover;
    int before, peer;
    size_t length;
    bool stays;

    if (size < 3)
        return 0;
    if (!acceptor.epoll_fd)
        open_acceptor();
    before = lowest_free();
    length = size - 3 < MESSAGE ? size - 3 : MESSAGE;
    memcpy(bytes, data + 3, length);
    if (data[1] & 1) {
        memcpy(bytes, &real, sizeof real);
        ((struct hello *)(void *)bytes)->flags = data[2] >> 4;
        length = data[1] & 2 ? sizeof real : sizeof real + length;
    }
    stays = data[1] & 4;
    peer = connect_peer();
    for (unsigned i = 0; i < (data[1] >> 3 & 3u); i++)
        send_message(peer, bytes, length, data[0] & DESCRIPTORS, 1 + (data[0] >> 4) % PARTS);
    if (!stays)
        close(peer);
    for (int i = 0; i < TURNS; i++) {
        int rc = acceptor_next(&acceptor, &handover);
        if (!rc)
            handover_close(&handover);
        if (handover.memfd != -1 || (rc && handover.pidfd != -1))
            abort();
        if (rc == -11) /* EAGAIN */
            break;
    }
    acceptor_tick(&acceptor, INT64_MAX);
    if (stays)
        close(peer);
    while (acceptor_next(&acceptor, &handover) != -11)
        ;
    if (acceptor.peers || lowest_free() != before)
        abort();
    return 0;
}
