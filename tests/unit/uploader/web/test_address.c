/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, networks and X-Forwarded-For; where to listen; and what is no path of ours. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "uploader/web/access.h"
#include "uploader/web/address.h"
#include "uploader/web/listen.h"
#include "uploader/web/request.h"

static struct address parsed(const char *text)
{
    struct address address = {0};

    if (!address_parse(text, strlen(text), &address))
        fail_msg("%s is no address", text);
    return address;
}

static void addresses_with_and_without_port(void **state)
{
    static const char *const wrong[] = {"",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "256.1.1.1",
                                        "1.2.3.4:",
                                        "1.2.3.4:x",
                                        "[::1",
                                        "::1]",
                                        "[::1]x",
                                        "[1.2.3.4]",
                                        "fe80::1%1",
                                        "localhost",
                                        "1.2.3.4:123456",
                                        "[]",
                                        " 1.2.3.4",
                                        "0x1.2.3.4",
                                        "::1:99999999999999999999999999999999999999999999999"};
    struct address address;

    (void)state;
    assert_true(address_is_equal(&(struct address){0}, &(struct address){0}));
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (address_parse(wrong[i], strlen(wrong[i]), &address))
            fail_msg("%s is taken for an address", wrong[i]);
    assert_false(address_parse("1.2.3.4\0x", 9, &address));
    address = parsed("10.1.2.3:80");
    assert_true(
        address_is_equal(&address, &(struct address){.byte = {[10] = 0xff, [11] = 0xff, 10, 1, 2, 3}}));
    address = parsed("::ffff:10.1.2.3");
    assert_true(
        address_is_equal(&address, &(struct address){.byte = {[10] = 0xff, [11] = 0xff, 10, 1, 2, 3}}));
    address = parsed("[2001:db8::1]:443");
    assert_true(address_is_equal(&address, &(struct address){.byte = {0x20, 1, 0x0d, 0xb8, [15] = 1}}));
    assert_true(address_is_loopback(&(struct address){.byte = {[15] = 1}}));
    address = parsed("127.9.9.9");
    assert_true(address_is_loopback(&address));
    address = parsed("128.0.0.1");
    assert_false(address_is_loopback(&address));
}

static bool is_in(const char *list, const char *text)
{
    struct address address = !strcmp(text, "unix") ? (struct address){.is_unix = true} : parsed(text);
    struct networks networks;
    const char *wrong = "";

    if (!networks_parse(list, &networks, &wrong))
        fail_msg("%s: %s", list, wrong);
    return networks_have(&networks, &address);
}

static void networks_by_their_bits(void **state)
{
    static const char *const wrong[] = {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",  "10.0.0.0/08x", "::/129",
                                        "/8",          "a",         "10.0.0.0/8/8", "10.0.0.0:80",  "[::1]"};
    struct networks networks;
    char many[2048] = "";
    const char *at;

    (void)state;
    assert_true(is_in("10.0.0.0/8", "10.255.1.1"));
    assert_false(is_in("10.0.0.0/8", "11.0.0.0"));
    assert_true(is_in("192.0.2.7", "192.0.2.7"));
    assert_false(is_in("192.0.2.7", "192.0.2.6"));
    assert_true(is_in("192.0.2.128/25", "192.0.2.200"));
    assert_false(is_in("192.0.2.128/25", "192.0.2.100"));
    assert_true(is_in("0.0.0.0/0", "203.0.113.1"));
    assert_false(is_in("0.0.0.0/0", "2001:db8::1"));
    assert_true(is_in("::/0", "2001:db8::1"));
    assert_true(is_in(" ,2001:db8::/33 , 10.0.0.1", "2001:db8:7fff::"));
    assert_false(is_in("2001:db8::/33", "2001:db8:8000::"));
    assert_true(is_in("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert_false(is_in("", "10.1.1.1"));
    assert_true(is_in("unix", "unix"));
    assert_false(is_in("0.0.0.0/0,::/0", "unix"));
    assert_false(is_in("unix", "0.0.0.0"));
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (networks_parse(wrong[i], &networks, &at))
            fail_msg("%s is taken for a network", wrong[i]);
    for (int i = 0; i <= NETWORKS_MOST; i++)
        strcat(many, "10.0.0.0/8,");
    assert_false(networks_parse(many, &networks, &at));
}

static const char *behind(const char *peer, const char *forwarded)
{
    static char text[INET6_ADDRSTRLEN];
    struct address from = parsed(peer), client;
    struct networks proxies;
    const char *wrong;

    assert_true(networks_parse("10.0.0.0/8,::1", &proxies, &wrong));
    if (!address_behind(&proxies, &from, forwarded, &client))
        return "nobody";
    inet_ntop(AF_INET6, client.byte, text, sizeof text);
    return strncmp(text, "::ffff:", 7) ? text : text + 7;
}

static void client_behind_proxies(void **state)
{
    char many[256] = "";

    (void)state;
    assert_string_equal(behind("10.1.1.1", NULL), "10.1.1.1");
    assert_string_equal(behind("10.1.1.1", "192.0.2.1"), "192.0.2.1");
    assert_string_equal(behind("10.1.1.1", "203.0.113.9, 192.0.2.1, 10.2.2.2"), "192.0.2.1");
    assert_string_equal(behind("192.0.2.9", "192.0.2.1"),
                        "192.0.2.9"); /* no proxy: what it says does not count */
    assert_string_equal(behind("10.1.1.1", "10.3.3.3,10.2.2.2"), "10.3.3.3");
    assert_string_equal(behind("::1", "[2001:db8::5]:4711"), "2001:db8::5");
    assert_string_equal(behind("10.1.1.1", ""), "nobody");
    assert_string_equal(behind("10.1.1.1", "unknown, 10.2.2.2"), "nobody");
    assert_string_equal(behind("10.1.1.1", "junk, 192.0.2.1"),
                        "192.0.2.1"); /* what lies before it may be anything */
    for (int i = 0; i <= FORWARDED_MOST; i++)
        strcat(many, ",");
    assert_string_equal(behind("10.1.1.1", many), "nobody");
}

static void where_to_listen(void **state)
{
    static const char *const wrong[] = {"",
                                        ":",
                                        "6060",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:65536",
                                        "127.0.0.1:-1",
                                        "::1:6060",
                                        "[::1]",
                                        "example.org:80",
                                        "unix:",
                                        "[127.0.0.1]:1",
                                        "127.0.0.1:80x",
                                        "127.0.0.1:000080"};
    struct listen_address address;
    char text[LISTEN_TEXT], path[300] = "unix:/";
    int fd;

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (listen_parse(wrong[i], &address) != -EINVAL)
            fail_msg("%s is taken for a place to listen at", wrong[i]);
    assert_int_equal(listen_parse(":6060", &address), 0);
    assert_false(address.is_loopback);
    assert_int_equal(listen_parse("0.0.0.0:6060", &address), 0);
    assert_false(address.is_loopback);
    assert_int_equal(listen_parse("[::1]:6060", &address), 0);
    assert_true(address.is_loopback && !address.is_unix);
    assert_int_equal(listen_parse("localhost:0", &address), 0);
    assert_true(address.is_loopback);
    fd = listen_open(&address);
    assert_true(fd >= 0);
    listen_text(fd, text);
    assert_memory_equal(text, "127.0.0.1:", 10);
    assert_int_equal(listen_parse(text, &address), 0);
    assert_int_equal(listen_open(&address), -EADDRINUSE);
    close(fd);
    memset(path + 6, 'x', 200);
    assert_int_equal(listen_parse(path, &address), -ENAMETOOLONG);
    assert_int_equal(listen_parse("unix:relative", &address), 0);
    assert_int_equal(address.socket.un.sun_path[0], '/');
}

static void sockets_that_are_left_over(void **state)
{
    char directory[] = "/tmp/cprof-listen-XXXXXX", text[LISTEN_TEXT];
    struct listen_address address;
    struct stat st;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(text, sizeof text, "unix:%s/socket", directory);
    assert_int_equal(listen_parse(text, &address), 0);
    fd = listen_open(&address);
    assert_true(fd >= 0);
    assert_int_equal(stat(text + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(listen_open(&address), -EADDRINUSE); /* somebody listens */
    close(fd);
    fd = listen_open(&address);
    assert_true(fd >= 0);
    close(fd);
    unlink(text + 5);
    assert_int_equal(mkdir(text + 5, 0700), 0);
    assert_int_equal(listen_open(&address), -EADDRINUSE);
    rmdir(text + 5);
    rmdir(directory);
}

static void secrets_are_compared_whole(void **state)
{
    (void)state;
    assert_true(access_is_same("token", "token"));
    assert_false(access_is_same("token", "toke"));
    assert_false(access_is_same("token", "tokentoken"));
    assert_false(access_is_same("token", "tokem"));
    assert_false(access_is_same("token", ""));
    assert_false(access_is_same("", "x"));
}

static void own_hosts(void **state)
{
    static const char *const own[] = {"localhost",      "LOCALHOST:80", "localhost.", "a.localhost:1",
                                      "127.0.0.1:6060", "[::1]:1",      "192.0.2.1"},
                             *const others[] = {"",           "evil.example",
                                                "xlocalhost", "localhost.evil.example:80",
                                                ".",          "127.0.0.1.evil.example"};

    (void)state;
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
        if (!access_is_own_host(own[i]))
            fail_msg("%s", own[i]);
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        if (access_is_own_host(others[i]))
            fail_msg("%s", others[i]);
}

static void uris_that_are_clean(void **state)
{
    (void)state;
    assert_true(request_uri_is_clean("/debug/pprof/heap?program=a%20b&seconds=1"));
    assert_false(request_uri_is_clean("/%0"));
    assert_false(request_uri_is_clean("/%"));
    assert_false(request_uri_is_clean("/%zz"));
    assert_false(request_uri_is_clean("/%00"));
    assert_false(request_uri_is_clean("/a b"));
    assert_false(request_uri_is_clean("/\x80"));
    assert_false(request_uri_is_clean("/\r\nX: y"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_with_and_without_port),
        cmocka_unit_test(networks_by_their_bits),
        cmocka_unit_test(client_behind_proxies),
        cmocka_unit_test(where_to_listen),
        cmocka_unit_test(sockets_that_are_left_over),
        cmocka_unit_test(secrets_are_compared_whole),
        cmocka_unit_test(own_hosts),
        cmocka_unit_test(uris_that_are_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
