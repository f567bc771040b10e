/* SPDX-License-Identifier: Apache-2.0 */
/* cprof ctl: the text of requests, rules and their order, clients that do not read, the kill switch. */
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
#include "uploader/control/gate.h"
#include "uploader/control/request.h"
#include "uploader/control/rules.h"

static char error[CONTROL_ERROR];

static int parse(const char *lines, struct control_request *request)
{
    char text[CONTROL_REQUEST + 64];
    int length = snprintf(text, sizeof text, "cprof-ctl 1\n%s", lines);

    *error = 0;
    return control_request_parse(text, (size_t)length, request, error);
}

static void requests_that_make_sense(void **state)
{
    struct control_request request;

    (void)state;
    assert_int_equal(parse("command list\njson 1\npid 12\n", &request), 0);
    assert_int_equal(request.command, CONTROL_LIST);
    assert_true(request.json);
    assert_int_equal(request.pid, 12);
    assert_int_equal(parse("command on\ntype cpu\ntype off_cpu\nprogram a b\n", &request), 0);
    assert_int_equal(request.change.on, 1 << PROFILE_CPU | 1 << PROFILE_OFF_CPU);
    assert_int_equal(request.change.off, 0);
    assert_string_equal(request.program, "a b");
    assert_int_equal(parse("command off\ntype all\n", &request), 0);
    assert_int_equal(request.change.off, PROFILES_READY);
    assert_int_equal(
        parse("command rate\nrate cpu=200\nrate memory=1MiB\nrate block=1ms\nrate wall=50\n", &request), 0);
    assert_int_equal(request.change.rates,
                     1 << PROFILE_CPU | 1 << PROFILE_MEMORY | 1 << PROFILE_BLOCK | 1 << PROFILE_WALL);
    assert_int_equal(request.change.to.cpu_period_ns, 5000000);
    assert_int_equal(request.change.to.memory_rate, 1 << 20);
    assert_int_equal(request.change.to.block_rate_ns, 1000000);
    assert_int_equal(request.change.to.wall_period_ns, 20000000);
    assert_int_equal(control_rate_number(&request.change.to, PROFILE_CPU), 200);
    assert_int_equal(control_rate_number(&request.change.to, PROFILE_THREADS), 0);
    assert_int_equal(parse("command flush\ntimeout 1.5s\n", &request), 0);
    assert_int_equal(request.timeout_ns, 1500000000);
}

static void requests_that_make_none(void **state)
{
    static const struct {
        const char *lines, *says;
    } rows[] = {
        {"", "no command"},
        {"command\n", "no command"},
        {"command frob\n", "frob"},
        {"command list", "cannot be read"},
        {"command list\nfrob 1\n", "frob 1"},
        {"command on\n", "needs a profile type"},
        {"command on\ntype frob\n", "frob"},
        {"command on\ntype cpu\nrate cpu=3\n", "takes no rate"},
        {"command write\ntype cpu\n", "takes no profile type"},
        {"command rate\n", "TYPE=VALUE"},
        {"command rate\nrate cpu\n", "TYPE=VALUE"},
        {"command rate\nrate cpu=\n", "CPROF_CPU_HZ"},
        {"command rate\nrate cpu=0\n", "off cpu"},
        {"command rate\nrate cpu=10001\n", "10000"},
        {"command rate\nrate threads=1\n", "no rate of its own"},
        {"command rate\nrate memory=99999999999999999999\n", "CPROF_MEMORY_RATE"},
        {"command list\npid 0\n", "process id"},
        {"command list\npid 99999999999\n", "process id"},
        {"command list\nprogram \n", "1 to"},
        {"command list\nprogram x\npid 1\n", "one of both"},
        {"command flush\ntimeout 301s\n", "300s"},
        {"command flush\ntimeout 0\n", "300s"},
    };
    struct control_request request;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!parse(rows[i].lines, &request) || !strstr(error, rows[i].says))
            fail_msg("%s: \"%s\" does not say %s", rows[i].lines, error, rows[i].says);
    }
}

static void requests_that_are_none(void **state)
{
    static const char long_line[] = "cprof-ctl 1\ncommand list\nprogram ";
    char text[CONTROL_REQUEST + 2];
    struct control_request request;

    (void)state;
    assert_int_equal(control_request_parse("", 0, &request, error), -EINVAL);
    assert_int_equal(control_request_parse("cprof-ctl ", 10, &request, error), -EINVAL);
    assert_int_equal(control_request_parse("cprof-ctl 1\ncommand list\n\0", 26, &request, error), -EINVAL);
    assert_int_equal(control_request_parse("cprof-ctl 2\ncommand list\n", 25, &request, error), -EINVAL);
    assert_non_null(strstr(error, "version 1"));
    memset(text, 'x', sizeof text);
    memcpy(text, long_line, sizeof long_line - 1);
    text[CONTROL_REQUEST - 1] = '\n';
    assert_int_equal(control_request_parse(text, CONTROL_REQUEST, &request, error), -EINVAL);
    assert_int_equal(control_request_parse(text, sizeof text, &request, error), -EINVAL);
}

static struct rates settings_say(void)
{
    return (struct rates){.profiles = 1 << PROFILE_CPU | 1 << PROFILE_MEMORY,
                          .cpu_period_ns = 10000000,
                          .memory_rate = 512 << 10};
}

static void say(struct rules *rules, const char *lines)
{
    struct control_request request;

    assert_int_equal(parse(lines, &request), 0);
    if (request.command == CONTROL_RESET)
        rules_reset(rules, &request);
    else
        assert_int_equal(rules_add(rules, &request), 0);
}

static struct rates of(const struct rules *rules, const char *program, int pid)
{
    struct rates rates = settings_say();
    rules_apply(rules, program, "service", pid, &rates);
    return rates;
}

/* The later word counts, whomever the earlier one was for. */
static void the_last_word_counts(void **state)
{
    struct rules rules = {0};

    (void)state;
    say(&rules, "command off\ntype cpu\n");
    say(&rules, "command on\ntype cpu\nprogram a\n");
    say(&rules, "command off\ntype cpu\npid 7\n");
    assert_false(of(&rules, "b", 1).profiles >> PROFILE_CPU & 1);
    assert_true(of(&rules, "a", 1).profiles >> PROFILE_CPU & 1);
    assert_false(of(&rules, "a", 7).profiles >> PROFILE_CPU & 1);
    assert_true(of(&rules, "b", 1).profiles >> PROFILE_MEMORY & 1);
    say(&rules, "command on\ntype cpu\nprogram service\n");
    assert_true(of(&rules, "b", 1).profiles >> PROFILE_CPU & 1);
    assert_true(of(&rules, "a", 7).profiles >> PROFILE_CPU & 1);
    say(&rules, "command off\ntype cpu\n");
    assert_int_equal(rules.count, 1);
    assert_false(of(&rules, "a", 7).profiles >> PROFILE_CPU & 1);
}

static void rates_and_resets(void **state)
{
    struct rules rules = {0};

    (void)state;
    say(&rules, "command rate\nrate cpu=1000\nrate memory=64KiB\n");
    say(&rules, "command rate\nrate cpu=50\npid 7\n");
    say(&rules, "command on\ntype block\n");
    assert_int_equal(of(&rules, "a", 7).cpu_period_ns, 20000000);
    assert_int_equal(of(&rules, "a", 7).memory_rate, 65536);
    assert_int_equal(of(&rules, "a", 1).cpu_period_ns, 1000000);
    assert_int_not_equal(of(&rules, "a", 1).block_rate_ns, 0); /* it had none */
    assert_int_equal(of(&rules, "a", 1).given, 1 << PROFILE_CPU | 1 << PROFILE_MEMORY);
    say(&rules, "command reset\ntype cpu\n");
    assert_int_equal(of(&rules, "a", 7).cpu_period_ns, 10000000);
    assert_int_equal(of(&rules, "a", 7).memory_rate, 65536);
    say(&rules, "command off\ntype all\npid 7\n");
    rules_forget_pid(&rules, 7);
    assert_int_not_equal(of(&rules, "a", 7).profiles, 0);
    say(&rules, "command reset\n");
    assert_int_equal(rules.count, 0);
    assert_true(
        rates_are_same(&(struct rates){.profiles = 3, .cpu_period_ns = 10000000, .memory_rate = 512 << 10},
                       &(struct rates[]){of(&rules, "a", 7)}[0]));
}

static void too_many_rules(void **state)
{
    struct rules rules = {0};
    struct control_request request;
    char lines[64];

    (void)state;
    for (int i = 1; i <= RULES_MOST; i++) {
        snprintf(lines, sizeof lines, "command off\ntype cpu\npid %d\n", i);
        say(&rules, lines);
    }
    assert_int_equal(parse("command off\ntype cpu\nprogram x\n", &request), 0);
    assert_int_equal(rules_add(&rules, &request), -ENOSPC);
    assert_int_equal(rules.count, RULES_MOST);
    assert_int_equal(parse("command off\ntype cpu\npid 3\n", &request), 0);
    assert_int_equal(rules_add(&rules, &request), 0);
    say(&rules, "command off\ntype cpu\n");
    assert_int_equal(rules.count, 1);
}

static void a_page_that_holds_anything(void **state)
{
    struct rules rules;
    struct rates rates = settings_say();

    (void)state;
    memset(&rules, 0xff, sizeof rules);
    rules_check(&rules);
    assert_int_equal(rules.count, 0);
    memset(&rules, 0xa5, sizeof rules);
    rules.count = RULES_MOST;
    rules_check(&rules);
    assert_true(rules.count <= RULES_MOST);
    rules_apply(&rules, "a", "b", 1, &rates);
    assert_int_equal(rates.profiles & ~(uint32_t)PROFILES_READY, 0);
}

struct pair {
    struct clients clients;
    int peer, fd;
};

static void begin(struct pair *pair)
{
    int fds[2];

    assert_int_equal(clients_open(&pair->clients), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    pair->peer = fds[0];
    pair->fd = fds[1];
}

static const char list[] = "cprof-ctl 1\ncommand list\n";

static void a_large_answer_comes_in_parts(void **state)
{
    enum { SIZE = 3000000 };
    struct pair pair;
    struct client *client;
    char *text = malloc(SIZE), *got = malloc(SIZE), message[CLIENT_MESSAGE + 1];
    size_t received = 0;
    ssize_t size = 0;
    bool has_ended = false;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i % 26);
    begin(&pair);
    client = clients_take(&pair.clients, pair.fd, 1, 0, list, strlen(list));
    assert_non_null(client);
    client_answer(&pair.clients, client, CLIENT_DONE, text, SIZE, "and %d", 3);
    for (int turns = 0; turns < 100000 && !has_ended; turns++) {
        size = recv(pair.peer, message, sizeof message, 0);
        if (size < 0)
            clients_work(&pair.clients);
        else if (*message == '1') {
            memcpy(got + received, message + 1, (size_t)size - 1);
            received += (size_t)size - 1;
        } else if (*message == '2')
            assert_memory_equal(message + 1, "and 3", 5);
        else
            has_ended = *message == '=' && message[1] == '0';
    }
    assert_true(has_ended);
    assert_int_equal(received, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(got[i], 'a' + i % 26);
    assert_int_equal(recv(pair.peer, message, sizeof message, 0), 0);
    free(got);
    close(pair.peer);
    clients_close(&pair.clients);
}

static void who_does_not_read_is_dropped(void **state)
{
    enum { SIZE = 3000000 };
    struct pair pair;
    struct client *client;
    unsigned at = 0;

    (void)state;
    begin(&pair);
    client = clients_take(&pair.clients, pair.fd, 1, 0, list, strlen(list));
    assert_ptr_equal(clients_waiting(&pair.clients, CONTROL_LIST, &at), client);
    client_answer(&pair.clients, client, CLIENT_DONE, calloc(1, SIZE), SIZE, NULL);
    assert_int_not_equal(client->fd, -1);
    clients_tick(&pair.clients, monotonic_ns());
    assert_int_not_equal(client->fd, -1);
    clients_tick(&pair.clients, monotonic_ns() + 11 * SECOND_NS);
    assert_int_equal(client->fd, -1);
    close(pair.peer);
    clients_close(&pair.clients);
}

static void who_goes_is_dropped(void **state)
{
    static const char flush[] = "cprof-ctl 1\ncommand flush\n";
    struct pair pair;
    struct client *client;
    unsigned at = 0;

    (void)state;
    begin(&pair);
    client = clients_take(&pair.clients, pair.fd, 1, 0, flush, strlen(flush));
    assert_non_null(client);
    close(pair.peer);
    clients_work(&pair.clients);
    assert_int_equal(client->fd, -1);
    assert_null(clients_waiting(&pair.clients, CONTROL_FLUSH, &at));
    clients_close(&pair.clients);
}

static void too_many_ask(void **state)
{
    static const char flush[] = "cprof-ctl 1\ncommand flush\n";
    int peer[CLIENTS_MOST + 1], fds[2];
    struct clients clients;
    char message[CONTROL_ERROR + 1];

    (void)state;
    assert_int_equal(clients_open(&clients), 0);
    for (int i = 0; i <= CLIENTS_MOST; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        peer[i] = fds[0];
        assert_int_equal(!clients_take(&clients, fds[1], 1, 0, flush, strlen(flush)), i == CLIENTS_MOST);
    }
    assert_true(recv(peer[CLIENTS_MOST], message, sizeof message, 0) > 0);
    assert_int_equal(*message, '2');
    clients_close(&clients);
    for (int i = 0; i <= CLIENTS_MOST; i++)
        close(peer[i]);
}

static void the_kill_switch(void **state)
{
    static struct options options;
    struct gate gate;
    FILE *file;

    (void)state;
    snprintf(options.kill_switch, sizeof options.kill_switch, "/tmp/cprof-test-kill-%d", (int)getpid());
    options.settings.value[SETTING_SCHEDULE].text = "";
    gate_open(&gate, &options);
    assert_false(gate.is_killed);
    assert_true(gate.is_scheduled);
    assert_int_equal(gate.next_ns, INT64_MAX);
    assert_false(gate_look(&gate, monotonic_ns()));
    file = fopen(options.kill_switch, "w");
    assert_non_null(file);
    fclose(file);
    assert_true(gate_look(&gate, monotonic_ns()));
    assert_true(gate.is_killed);
    assert_string_equal(gate_text(&gate), "stopped by the kill switch");
    assert_false(gate_look(&gate, monotonic_ns()));
    unlink(options.kill_switch);
    assert_true(gate_look(&gate, monotonic_ns()));
    assert_string_equal(gate_text(&gate), "on");
}

static void the_schedule(void **state)
{
    static struct options options;
    struct gate gate;

    (void)state;
    options.settings.value[SETTING_SCHEDULE].text = "1s/100000d";
    gate_open(&gate, &options);
    assert_false(gate.is_scheduled);
    assert_string_equal(gate_text(&gate), "off by the schedule");
    assert_true(gate.next_ns > monotonic_ns() && gate.next_ns < INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_make_sense),
        cmocka_unit_test(requests_that_make_none),
        cmocka_unit_test(requests_that_are_none),
        cmocka_unit_test(the_last_word_counts),
        cmocka_unit_test(rates_and_resets),
        cmocka_unit_test(too_many_rules),
        cmocka_unit_test(a_page_that_holds_anything),
        cmocka_unit_test(a_large_answer_comes_in_parts),
        cmocka_unit_test(who_does_not_read_is_dropped),
        cmocka_unit_test(who_goes_is_dropped),
        cmocka_unit_test(too_many_ask),
        cmocka_unit_test(the_kill_switch),
        cmocka_unit_test(the_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
