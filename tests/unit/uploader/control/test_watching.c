/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that watch: what they may ask for, answers in parts, the next question, and how they end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/control/clients.h"

static const char ask_one[] = "cprof-ctl 1\ncommand watch\ntype cpu\nwhole memory\nstates 1\n",
                  ask_other[] = "cprof-ctl 1\ncommand list\n";

static int parse(const char *text, struct control_request *request)
{
    char error[CONTROL_ERROR];

    return control_request_parse(text, strlen(text), request, error);
}

static void requests(void **state)
{
    struct control_request request;

    (void)state;
    assert_int_equal(parse(ask_one, &request), 0);
    assert_int_equal(request.command, CONTROL_WATCH);
    assert_int_equal(request.types, 1 << PROFILE_CPU);
    assert_int_equal(request.whole, 1 << PROFILE_MEMORY);
    assert_true(request.states);
    assert_int_equal(request.change.on, 0);
    assert_int_equal(parse("cprof-ctl 1\ncommand list\nwhole cpu\n", &request), -EINVAL);
    assert_int_equal(parse("cprof-ctl 1\ncommand dump\nstates 1\n", &request), -EINVAL);
    assert_int_equal(parse("cprof-ctl 1\ncommand watch\nwhole frob\n", &request), -EINVAL);
    assert_int_equal(parse("cprof-ctl 1\ncommand watch\nrate cpu=3\n", &request), -EINVAL);
}

/* Somebody who answers: three parts of this size to each question. */
enum { PARTS = 3, PART = 200000 };
struct answerer {
    struct clients clients;
    int peer;
    unsigned asked, left, gone;
};

static void answer(void *context, struct client *client)
{
    struct answerer *answerer = context;

    answerer->asked++;
    answerer->left = PARTS;
    client_answer(&answerer->clients, client, CLIENT_DONE, strdup("head"), 4, NULL);
}

static bool more(void *context, struct client *client)
{
    struct answerer *answerer = context;
    char line[16], *data;

    if (!answerer->left)
        return false;
    data = malloc(PART);
    memset(data, 'a' + (int)answerer->left, PART);
    snprintf(line, sizeof line, "part %u", answerer->left--);
    client_part(client, line, data, PART);
    return true;
}

static void gone(void *context, struct client *client)
{
    struct answerer *answerer = context;

    answerer->gone++;
    client->watch = NULL;
}

static struct client *begin(struct answerer *answerer)
{
    static const struct client_ops ops = {.ask = answer, .more = more, .gone = gone};
    struct client *client;
    int fds[2];

    *answerer = (struct answerer){.asked = 0};
    assert_int_equal(clients_open(&answerer->clients), 0);
    answerer->clients.ops = &ops;
    answerer->clients.context = answerer;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    answerer->peer = fds[0];
    client = clients_take(&answerer->clients, fds[1], 1, 0, ask_one, strlen(ask_one));
    assert_non_null(client);
    client->watch = answerer;
    answer(answerer, client);
    return client;
}

/* Reads an answer to its end: "head", then the parts. */
static void expect_answer(struct answerer *answerer)
{
    char message[CLIENT_MESSAGE + 1];
    size_t bytes = 0;
    unsigned parts = 0, heads = 0;

    for (int turns = 0; turns < 100000; turns++) {
        ssize_t size = recv(answerer->peer, message, sizeof message, 0);
        if (size < 0) {
            clients_work(&answerer->clients);
            continue;
        }
        heads += *message == '1';
        if (*message == 'p') {
            assert_int_equal(bytes, parts * PART);
            assert_int_equal(message[6] - '0', PARTS - parts++);
        }
        if (*message == 'd') {
            assert_int_equal(message[1], 'a' + PARTS - (int)parts + 1);
            bytes += (size_t)size - 1;
        }
        if (*message == '=')
            break;
    }
    assert_int_equal(heads, 1);
    assert_int_equal(parts, PARTS);
    assert_int_equal(bytes, PARTS * PART);
}

static void it_stays_and_asks_again(void **state)
{
    struct answerer answerer;
    struct client *client = begin(&answerer);

    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        expect_answer(&answerer);
        assert_int_equal(answerer.asked, i);
        assert_true(client->is_idle);
        assert_int_equal(send(answerer.peer, ask_one, strlen(ask_one), 0), strlen(ask_one));
        clients_work(&answerer.clients);
    }
    assert_int_equal(answerer.gone, 0);
    close(answerer.peer);
    clients_work(&answerer.clients);
    assert_int_equal(answerer.gone, 1);
    assert_int_equal(client->fd, -1);
    clients_close(&answerer.clients);
}

/* One part at a time lies in memory, so who does not read holds up nothing, and is dropped. */
static void a_slow_one_is_dropped(void **state)
{
    struct answerer answerer;
    struct client *client = begin(&answerer);

    (void)state;
    for (int i = 0; i < 100; i++)
        clients_work(&answerer.clients);
    assert_true(answerer.left > 0);
    assert_true(client->size <= PART);
    clients_tick(&answerer.clients, monotonic_ns() + 11 * SECOND_NS);
    assert_int_equal(answerer.gone, 1);
    close(answerer.peer);
    clients_close(&answerer.clients);
}

static void it_is_forgotten_when_it_is_idle(void **state)
{
    struct answerer answerer;
    struct client *client = begin(&answerer);

    (void)state;
    expect_answer(&answerer);
    clients_tick(&answerer.clients, monotonic_ns() + 60 * SECOND_NS);
    assert_int_not_equal(client->fd, -1);
    clients_tick(&answerer.clients, monotonic_ns() + 130 * SECOND_NS);
    assert_int_equal(client->fd, -1);
    assert_int_equal(answerer.gone, 1);
    close(answerer.peer);
    clients_close(&answerer.clients);
}

static void it_may_ask_for_nothing_else(void **state)
{
    struct answerer answerer;
    char message[CLIENT_MESSAGE + 1];

    (void)state;
    begin(&answerer);
    expect_answer(&answerer);
    assert_int_equal(send(answerer.peer, ask_other, strlen(ask_other), 0), strlen(ask_other));
    for (int i = 0; i < 10; i++)
        clients_work(&answerer.clients);
    assert_int_equal(answerer.asked, 1);
    assert_int_equal(answerer.gone, 1);
    assert_true(recv(answerer.peer, message, sizeof message, 0) > 1);
    close(answerer.peer);
    clients_close(&answerer.clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(it_stays_and_asks_again),
        cmocka_unit_test(a_slow_one_is_dropped),
        cmocka_unit_test(it_is_forgotten_when_it_is_idle),
        cmocka_unit_test(it_may_ask_for_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
