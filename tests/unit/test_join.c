/* SPDX-License-Identifier: Apache-2.0 */
/* The session's socket: names, hand-over, forwarding, and messages that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sampler/layout.h"
#include "uploader/join.h"

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

static int accept_one(int listener, struct join *join)
{
    return join_accept(listener, join, trust_nobody, NULL);
}

static struct join our_own(void)
{
    struct join join;
    join_direct(&join, getpid(), memfd_create("test", 0));
    return join;
}

/* A peer that sends these bytes and no descriptor. */
static void send_bytes(const void *data, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    if (size)
        assert_int_equal(send(fd, data, size, 0), size);
    close(fd);
}

static void test_forwarded(void **state)
{
    int listener = join_listen(name);
    struct join sent = our_own(), got;

    (void)state;
    assert_true(listener >= 0);
    assert_int_equal(accept_one(listener, &got), -EAGAIN);
    assert_int_equal(join_forward(name, &sent), 0);
    assert_int_equal(accept_one(listener, &got), 0);
    assert_int_equal(got.pid, getpid());
    assert_int_equal(fcntl(got.memfd, F_GETFD), FD_CLOEXEC);
    assert_true(got.pidfd >= 0);
    join_close(&sent);
    join_close(&got);
    close(listener);
    sent = our_own();
    assert_int_equal(join_forward(name, &sent), -ECONNREFUSED);
    join_close(&sent);
}

static void test_name_is_taken(void **state)
{
    int listener = join_listen(name);
    (void)state;
    assert_int_equal(join_listen(name), -EADDRINUSE);
    close(listener);
    listener = join_listen(name);
    assert_true(listener >= 0);
    close(listener);
}

static void test_no_messages(void **state)
{
    struct hello hello = {HELLO_MAGIC, LAYOUT_VERSION, 0, 1, sizeof(struct segment)};
    int listener = join_listen(name);
    struct join join;

    (void)state;
    send_bytes(NULL, 0);
    assert_int_equal(accept_one(listener, &join), -ENOMSG);
    send_bytes("x", 1);
    assert_int_equal(accept_one(listener, &join), -EPROTO);
    send_bytes(&hello, sizeof hello);
    assert_int_equal(accept_one(listener, &join), -EPROTO);
    assert_int_equal(accept_one(listener, &join), -EAGAIN);
    close(listener);
}

static void test_path_with_a_stale_socket(void **state)
{
    char directory[] = "/tmp/cprof-test-XXXXXX", path[64];
    struct stat st;
    int listener;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/socket", directory);
    listener = join_listen(path);
    assert_true(listener >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(join_listen(path), -EADDRINUSE);
    close(listener); /* as a killed uploader leaves it */
    listener = join_listen(path);
    assert_true(listener >= 0);
    close(listener);
    unlink(path);
    listener = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* somebody's file is not ours to remove */
    close(listener);
    assert_int_equal(join_listen(path), -EADDRINUSE);
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
        cmocka_unit_test(test_path_with_a_stale_socket),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
