/* SPDX-License-Identifier: Apache-2.0 */
/* The session's socket: names, hand-over, forwarding, and messages that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sampler/segment/layout.h"
#include "uploader/handover/acceptor.h"
#include "uploader/handover/socket_name.h"

static char name[64];

static int setup(void **state)
{
    (void)state;
    snprintf(name, sizeof name, "@cprof-test-join-%d", (int)getpid());
    return 0;
}

static bool trust_nobody(pid_t pid, void *context)
{
    (void)pid;
    (void)context;
    return false;
}

static int accept_one(int listener, struct handover *handover)
{
    struct acceptor acceptor;
    int rc;

    assert_int_equal(acceptor_open(&acceptor, listener, trust_nobody, NULL), 0);
    rc = acceptor_next(&acceptor, handover);
    acceptor_close(&acceptor);
    return rc;
}

static struct handover our_own(void)
{
    struct handover handover;
    handover_direct(&handover, getpid(), memfd_create("test", 0));
    return handover;
}

static int connect_peer(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    return fd;
}

/* One message of these bytes, with fd `count` times in each of so many control messages. */
static void send_descriptors(int peer, const void *data, size_t size, int fd, unsigned count, unsigned parts)
{
    char control[1024] = {0};
    struct iovec iov = {(void *)data, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    char *at = control;

    for (unsigned p = 0; p < parts; p++, at += CMSG_SPACE(count * sizeof fd)) {
        struct cmsghdr *c = (struct cmsghdr *)at;
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof fd);
        for (unsigned i = 0; i < count; i++)
            memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
    }
    message.msg_controllen = (size_t)(at - control);
    assert_int_equal(sendmsg(peer, &message, MSG_NOSIGNAL), size);
}

/* A peer that sends these bytes and no descriptor. */
static void send_bytes(const void *data, size_t size)
{
    int fd = connect_peer();
    if (size)
        assert_int_equal(send(fd, data, size, 0), size);
    close(fd);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void test_forwarded(void **state)
{
    int listener = socket_name_listen(name);
    struct handover sent = our_own(), got;

    (void)state;
    assert_true(listener >= 0);
    assert_int_equal(accept_one(listener, &got), -EAGAIN);
    assert_int_equal(handover_forward(name, &sent, 0), 0);
    assert_int_equal(accept_one(listener, &got), 0);
    assert_int_equal(got.pid, getpid());
    assert_int_equal(fcntl(got.memfd, F_GETFD), FD_CLOEXEC);
    assert_true(got.pidfd >= 0);
    handover_close(&sent);
    handover_close(&got);
    close(listener);
    sent = our_own();
    assert_int_equal(handover_forward(name, &sent, 0), -ECONNREFUSED);
    handover_close(&sent);
}

static void test_name_is_taken(void **state)
{
    int listener = socket_name_listen(name);
    (void)state;
    assert_int_equal(socket_name_listen(name), -EADDRINUSE);
    close(listener);
    listener = socket_name_listen(name);
    assert_true(listener >= 0);
    close(listener);
}

static void test_no_messages(void **state)
{
    struct hello hello = {HELLO_MAGIC, LAYOUT_VERSION, 0, 1, sizeof(struct segment)};
    int listener = socket_name_listen(name);
    struct handover handover;

    (void)state;
    send_bytes(NULL, 0);
    assert_int_equal(accept_one(listener, &handover), -ENOMSG);
    send_bytes("x", 1);
    assert_int_equal(accept_one(listener, &handover), -EPROTO);
    send_bytes(&hello, sizeof hello);
    assert_int_equal(accept_one(listener, &handover), -EPROTO);
    assert_int_equal(accept_one(listener, &handover), -EAGAIN);
    close(listener);
}

/* Empty, short, long, of another version; with none to 40 descriptors, all in one control message or each in
   its own. Whatever comes, no descriptor stays. */
static void test_no_message_leaves_a_descriptor(void **state)
{
    struct {
        struct hello hello;
        char more[8];
    } message = {{HELLO_MAGIC, LAYOUT_VERSION, 0, 1, sizeof(struct segment)}, ""};
    const struct {
        size_t size;
        uint32_t version, flags;
    } kinds[] = {
        {0, LAYOUT_VERSION, 0},
        {1, LAYOUT_VERSION, 0},
        {sizeof message.hello, LAYOUT_VERSION + 1, 0},
        {sizeof message.hello, LAYOUT_VERSION, 0},
        {sizeof message.hello, LAYOUT_VERSION, HELLO_FORWARDED},
        {sizeof message, LAYOUT_VERSION, 0},
    };
    const unsigned shapes[][2] = {{0, 0}, {1, 1}, {2, 1}, {3, 1}, {40, 1}, {1, 2}, {1, 3}, {2, 4}};
    int listener = socket_name_listen(name), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    unsigned before = open_descriptors();
    struct handover handover;

    (void)state;
    for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (unsigned s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            int peer = connect_peer();
            message.hello.version = kinds[k].version;
            message.hello.flags = kinds[k].flags;
            send_descriptors(peer, &message, kinds[k].size, null, shapes[s][0], shapes[s][1]);
            close(peer);
            if (!accept_one(listener, &handover))
                handover_close(&handover);
            assert_int_equal(open_descriptors(), before);
        }
    close(null);
    close(listener);
}

/* They wait in a bounded number, and not for ever; who speaks is heard meanwhile. */
static void test_silent_peers_hold_nobody_up(void **state)
{
    enum { SILENT = 100 };
    const struct hello hello = {HELLO_MAGIC, LAYOUT_VERSION, 0, 1, sizeof(struct segment)};
    int listener = socket_name_listen(name), silent[SILENT];
    struct handover sent = our_own(), got;
    struct acceptor acceptor;
    unsigned before;

    (void)state;
    assert_int_equal(acceptor_open(&acceptor, listener, trust_nobody, NULL), 0);
    for (int i = 0; i < SILENT; i++)
        silent[i] = connect_peer();
    before = open_descriptors();
    for (int i = 0; i < SILENT; i++)
        assert_int_equal(acceptor_next(&acceptor, &got), -ENOMSG);
    assert_int_equal(acceptor_next(&acceptor, &got), -EAGAIN);
    assert_int_equal(open_descriptors(), before + ACCEPTOR_PEERS);
    assert_int_equal(handover_forward(name, &sent, 0), 0);
    assert_int_equal(acceptor_next(&acceptor, &got), 0);
    handover_close(&got);
    send_descriptors(silent[SILENT - 1], &hello, sizeof hello, sent.memfd, 1, 1);
    assert_int_equal(acceptor_next(&acceptor, &got), 0);
    handover_close(&got);
    acceptor_tick(&acceptor, INT64_MAX);
    assert_int_equal(open_descriptors(), before);
    for (int i = 0; i < SILENT; i++)
        close(silent[i]);
    handover_close(&sent);
    acceptor_close(&acceptor);
    close(listener);
}

/* Runs in a child of another user; 77: that needs root. */
static int as_another_user(int (*run)(void))
{
    int status;
    pid_t pid = fork();

    if (!pid)
        _exit(setgid(65534) || setuid(65534) ? 77 : run());
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int send_as_stranger(void)
{
    struct hello hello = {HELLO_MAGIC, LAYOUT_VERSION, HELLO_FORWARDED, getppid(), sizeof(struct segment)};
    send_descriptors(connect_peer(), &hello, sizeof hello, memfd_create("test", 0), 1, 1);
    return 0;
}

static int listen_as_stranger(int ready)
{
    int listener = setgid(65534) || setuid(65534) ? -1 : socket_name_listen(name);
    if (listener < 0 || write(ready, "", 1) != 1)
        return 1;
    return (int)sleep(1);
}

static bool trust_all(pid_t pid, void *context)
{
    (void)pid;
    (void)context;
    return true;
}

/* Neither is believed that he speaks for another process, though he may join himself. */
static void test_strangers(void **state)
{
    int listener = socket_name_listen(name);
    struct handover handover, sent = our_own();
    struct acceptor acceptor;
    int ready[2];
    char byte;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(as_another_user(send_as_stranger), 0);
    assert_int_equal(accept_one(listener, &handover), -EPERM);
    assert_int_equal(as_another_user(send_as_stranger), 0);
    assert_int_equal(acceptor_open(&acceptor, listener, trust_all, NULL), 0);
    assert_int_equal(acceptor_next(&acceptor, &handover), -EPERM);
    acceptor_close(&acceptor);
    close(listener);

    /* A name that he took gets nothing of ours. */
    assert_int_equal(pipe(ready), 0);
    if (!fork())
        _exit(listen_as_stranger(ready[1]));
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(handover_forward(name, &sent, 0), -EPERM);
    assert_int_equal(socket_name_listen(name), -EADDRINUSE);
    handover_close(&sent);
    while (wait(NULL) > 0)
        ;
}

static void test_path_with_a_stale_socket(void **state)
{
    char directory[] = "/tmp/cprof-test-XXXXXX", path[64];
    struct stat st;
    int listener;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/socket", directory);
    listener = socket_name_listen(path);
    assert_true(listener >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(socket_name_listen(path), -EADDRINUSE);
    close(listener); /* as a killed uploader leaves it */
    listener = socket_name_listen(path);
    assert_true(listener >= 0);
    close(listener);
    unlink(path);
    listener = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* somebody's file is not ours to remove */
    close(listener);
    assert_int_equal(socket_name_listen(path), -EADDRINUSE);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forwarded),
        cmocka_unit_test(test_name_is_taken),
        cmocka_unit_test(test_no_messages),
        cmocka_unit_test(test_no_message_leaves_a_descriptor),
        cmocka_unit_test(test_silent_peers_hold_nobody_up),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_path_with_a_stale_socket),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
