/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox: what answers mean, order, and the spool that outlives it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../server_fixture.h"
#include "../sink_fixture.h"
#include "uploader/sinks/outbox/outbox.h"
#include "uploader/sinks/spool/request_file.h"

static const struct outbox_status differs[] = {{500, 500, OUTBOX_REFUSED}, {0}};
static int split_in_two(const uint8_t *body, size_t size, outbox_piece *piece, void *context);
static const struct outbox_kind kind = {
    .name = "test",
    .server = "test server",
    .login = "TOKEN",
    .path = "/push",
    .content_type = "text/plain",
    .differs = differs,
    .window_ns = 3600 * SECOND_NS,
    .split = split_in_two,
};
static char directory[64];
static const char *tenant = "";

static struct outbox *new_outbox(void)
{
    struct http_settings http = {.url = url, .url_name = "URL", .headers_name = "HEADERS"};
    struct outbox *outbox;

    http.token = http.user = http.password = http.headers = http.ca_file = http.client_cert =
        http.client_key = "";
    http.tenant = tenant;
    options.settings.value[SETTING_SPOOL].text = directory;
    outbox = outbox_new(&options, &kind, &http);
    assert_non_null(outbox);
    return outbox;
}

static void with_spool(void)
{
    strcpy(directory, "/tmp/cprof-spool-XXXXXX");
    assert_non_null(mkdtemp(directory));
    options.settings.value[SETTING_SPOOL_SIZE].number = 1 << 20;
    options.settings.value[SETTING_SPOOL_AGE].number = 24 * 3600 * SECOND_NS;
}

/* Files that are requests; their names in order, if wanted. */
static unsigned count_files(const char *ending)
{
    struct dirent **list;
    unsigned count = 0;
    int entries = scandir(directory, &list, NULL, alphasort);

    for (int i = 0; i < entries; i++) {
        const char *dot = strstr(list[i]->d_name, ending);
        count += dot && list[i]->d_name[0] != '.';
        free(list[i]);
    }
    free(list);
    return count;
}

static void remove_spool(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    assert_int_equal(system(command), 0);
    *directory = 0;
}

static void add_at(struct outbox *outbox, const char *series, const char *text, int64_t time_ns)
{
    struct outbox_request request = {(uint8_t *)strdup(text), strlen(text), time_ns, series,
                                     "cpu profile of app"};

    assert_int_equal(outbox_add(outbox, &request), 0);
}

static int64_t hours_ago(int hours)
{
    return clock_ns(CLOCK_REALTIME) - hours * 3600 * SECOND_NS;
}

static void add(struct outbox *outbox, const char *text)
{
    static int64_t step_ns;

    add_at(outbox, "cpu", text, clock_ns(CLOCK_REALTIME) + step_ns++);
}

static const char *body(unsigned request)
{
    const char *at = request < server.requests ? strstr(server.request[request], "\r\n\r\n") : NULL;

    return at ? at + 4 : "(none)";
}

/* Like an uploader that is killed: what it holds in memory is gone, and so is its lock. */
static void in_a_killed_process(void (*what)(struct outbox *outbox), bool settled)
{
    pid_t child = fork();
    int status;

    if (!child) {
        struct outbox *outbox = new_outbox();
        what(outbox);
        if (settled)
            outbox_settle(outbox);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void add_three(struct outbox *outbox)
{
    add(outbox, "one");
    add(outbox, "two");
    add(outbox, "three");
}

/* ---- Answers ---- */
static void refusals_hold_up_nothing_and_are_said_once(void **state)
{
    struct outbox *outbox;
    const char *first;

    (void)state;
    start_server(
        ANSWERS(TEXT("422 X") "no such thing", TEXT("422 X") "nor this", TEXT("403 X") "not you", OK));
    set_options("http://127.0.0.1:%d", server.port);
    outbox = new_outbox();
    add_three(outbox);
    add(outbox, "four");
    assert_int_equal(outbox_work(outbox, 3000), 0);
    assert_int_equal(server.requests, 4);
    assert_string_equal(body(3), "four");
    first = strstr(log_text, "refuses the cpu profile of app (422: no such thing)");
    assert_non_null(first);
    assert_non_null(strstr(first, "it is not sent again"));
    assert_null(strstr(strstr(first, "it is not sent again") + 1, "it is not sent again"));
    assert_non_null(strstr(log_text, "denies access (403: not you); set TOKEN"));
    assert_int_equal(outbox_counts(outbox)->refused, 3);
    assert_int_equal(outbox_counts(outbox)->sent, 1);
    outbox_free(outbox);
    stop_server();
}

static void protocols_differ(void **state)
{
    struct outbox *outbox;

    (void)state;
    start_server(ANSWERS(TEXT("500 X") "broken"));
    set_options("http://127.0.0.1:%d", server.port);
    outbox = new_outbox();
    add(outbox, "one");
    assert_int_equal(outbox_work(outbox, ONE_TRY_MS), 0);
    assert_int_equal(server.requests, 1);
    outbox_free(outbox);
    stop_server();
}

/* A status that came is the answer, whatever follows it. What came before it is none. */
static void cut_answers_are_answers(void **state)
{
    static const struct {
        const char *answer;
        unsigned left;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", 0},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nno gzip..", 0},
        {"HTTP/1.1 400 No\r\nContent-Length: 100\r\n\r\nabc", 0},
        {"HTTP/1.1 100 Continue\r\n\r\n", 1},
        {"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", 1},
        {"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0},
        {"rubbish\r\n\r\n", 1},
        {"", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct outbox *outbox;
        unsigned left;
        start_server(ANSWERS(rows[i].answer));
        set_options("http://127.0.0.1:%d", server.port);
        outbox = new_outbox();
        add(outbox, "one");
        left = outbox_work(outbox, ONE_TRY_MS);
        if (left != rows[i].left || server.requests != 1)
            fail_msg("%s: %u left after %u requests", rows[i].answer, left, server.requests);
        outbox_free(outbox);
        stop_server();
    }
}

static void work_until(struct outbox *outbox, unsigned requests, int seconds)
{
    int64_t end_ns = monotonic_ns() + seconds * SECOND_NS;

    while (server.requests < requests && monotonic_ns() < end_ns) {
        outbox_work(outbox, 0);
        usleep(10000);
    }
    usleep(50000);
    outbox_work(outbox, 0);
    assert_int_equal(server.requests, requests);
}

/* The clock's second may be about to end, so a date that is 3 s ahead asks for 2 s at least. */
static void retry_after_may_be_a_date(void **state)
{
    char answer[200], date[64];
    time_t then = time(NULL) + 3;
    int64_t start_ns = monotonic_ns();
    struct outbox *outbox;

    (void)state;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 503 X\r\nRetry-After: %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", date);
    start_server(ANSWERS(answer, OK));
    set_options("http://127.0.0.1:%d", server.port);
    outbox = new_outbox();
    add(outbox, "one");
    work_until(outbox, 2, 20);
    assert_in_range(monotonic_ns() - start_ns, 1900 * MS_NS, 9 * SECOND_NS);
    outbox_free(outbox);
    stop_server();
}

/* The first is put off for ever, and each time the rest goes before it. */
static void one_that_is_put_off_does_not_hold_up_the_rest(void **state)
{
    struct outbox *outbox;

    (void)state;
    start_server(ANSWERS(TEXT("429 X") "too much", OK, OK, TEXT("429 X") "too much"));
    set_options("http://127.0.0.1:%d", server.port);
    outbox = new_outbox();
    add_three(outbox);
    work_until(outbox, 3, 20);
    assert_string_equal(body(1), "two");
    assert_string_equal(body(2), "three");
    assert_int_equal(outbox_work(outbox, 0), 1);
    outbox_free(outbox);
    stop_server();
}

/* One that passes 50 bytes is too large. */
static int split_in_two(const uint8_t *data, size_t size, outbox_piece *piece, void *context)
{
    size_t half = size / 2;
    uint8_t *copy = malloc(size);
    int error;

    memcpy(copy, data, size);
    error = half ? piece(context, (uint8_t *)strndup((char *)copy, half), half) : -E2BIG;
    if (!error)
        error = piece(context, (uint8_t *)strndup((char *)copy + half, size - half), size - half);
    free(copy);
    return error;
}

static void too_large_requests_are_split(void **state)
{
    struct outbox *outbox;

    (void)state;
    start_server(ANSWERS(TEXT("413 X"), TEXT("413 X"), OK, OK, OK));
    set_options("http://127.0.0.1:%d", server.port);
    with_spool();
    outbox = new_outbox();
    add(outbox, "abcdefgh");
    assert_int_equal(outbox_work(outbox, 3000), 0);
    assert_int_equal(server.requests, 5);
    assert_string_equal(body(0), "abcdefgh");
    assert_string_equal(body(1), "abcd");
    assert_int_equal(strlen(body(2)) + strlen(body(3)) + strlen(body(4)), 8);
    assert_int_equal(outbox_counts(outbox)->split, 2);
    assert_int_equal(outbox_counts(outbox)->refused, 0);
    assert_int_equal(count_files(".request"), 0);
    outbox_free(outbox);
    remove_spool();
    stop_server();
}

/* ---- The spool ---- */
static void what_was_settled_outlives_a_kill(void **state)
{
    struct outbox *outbox;

    (void)state;
    start_server(ANSWERS(OK));
    set_options("http://127.0.0.1:%d", server.port);
    with_spool();
    in_a_killed_process(add_three, true);
    assert_int_equal(count_files(".request"), 3);
    outbox = new_outbox();
    assert_int_equal(outbox_work(outbox, 3000), 0);
    assert_int_equal(server.requests, 3);
    assert_string_equal(body(0), "one");
    assert_string_equal(body(1), "two");
    assert_string_equal(body(2), "three");
    assert_non_null(strstr(log_text, "3 profiles that another uploader left"));
    outbox_free(outbox);
    assert_int_equal(count_files(""), 0); /* no lock either */
    remove_spool();
    stop_server();
}

static void what_was_not_settled_is_none_of_a_successors(void **state)
{
    struct outbox *outbox;

    (void)state;
    start_server(ANSWERS(OK));
    set_options("http://127.0.0.1:%d", server.port);
    with_spool();
    in_a_killed_process(add_three, false);
    outbox = new_outbox();
    assert_int_equal(outbox_work(outbox, 100), 0);
    assert_int_equal(server.requests, 0);
    outbox_free(outbox);
    assert_int_equal(rmdir(directory), 0);
    *directory = 0;
    stop_server();
}

static void a_living_uploaders_requests_are_its_own(void **state)
{
    struct outbox *one, *two;

    (void)state;
    start_server(ANSWERS(OK));
    set_options("http://127.0.0.1:%d", server.port);
    with_spool();
    one = new_outbox();
    add_three(one);
    outbox_settle(one);
    two = new_outbox();
    assert_int_equal(outbox_work(two, 100), 0);
    assert_int_equal(server.requests, 0);
    assert_int_equal(outbox_work(one, 3000), 0);
    assert_int_equal(server.requests, 3);
    outbox_free(one);
    outbox_free(two);
    remove_spool();
    stop_server();
}

static void another_tenants_requests_stay(void **state)
{
    struct outbox *outbox;

    (void)state;
    start_server(ANSWERS(OK));
    set_options("http://127.0.0.1:%d", server.port);
    with_spool();
    in_a_killed_process(add_three, true);
    tenant = "other";
    outbox = new_outbox();
    assert_int_equal(outbox_work(outbox, 100), 0);
    assert_int_equal(server.requests, 0);
    assert_non_null(strstr(log_text, "3 profiles in /tmp/cprof-spool-"));
    outbox_free(outbox);
    tenant = "";
    assert_int_equal(count_files(".request"), 3);
    outbox = new_outbox();
    assert_int_equal(outbox_work(outbox, 3000), 0);
    assert_int_equal(server.requests, 3);
    outbox_free(outbox);
    remove_spool();
    stop_server();
}

/* Puts a file beside the spool's own: the name of the first one there, changed by change(). */
static void first_file(char path[512])
{
    struct dirent **list;
    int entries = scandir(directory, &list, NULL, alphasort);

    *path = 0;
    for (int i = 0; i < entries; i++) {
        if (!*path && strstr(list[i]->d_name, ".request"))
            snprintf(path, 512, "%s/%s", directory, list[i]->d_name);
        free(list[i]);
    }
    free(list);
}

static void add_one(struct outbox *outbox)
{
    add(outbox, "one");
}

static void hostile_files_are_not_sent(void **state)
{
    enum { CUT, LONGER, CHANGED, LINK, PIPE, FOLDER, WAYS };
    char path[512], command[1200];

    (void)state;
    start_server(ANSWERS(OK));
    for (unsigned way = 0; way < WAYS; way++) {
        static const char *const does[WAYS] = {
            [CUT] = "truncate -s -1 %s",
            [LONGER] = "echo x >> %s",
            [CHANGED] = "printf X | dd of=%s bs=1 seek=40 conv=notrunc status=none; truncate -s 53 %s",
            [LINK] = "ln -sf /etc/passwd %s",
            [PIPE] = "rm %s; mkfifo %s",
            [FOLDER] = "rm %s; mkdir %s",
        };
        struct outbox *outbox;
        set_options("http://127.0.0.1:%d", server.port);
        with_spool();
        in_a_killed_process(add_one, true);
        first_file(path);
        snprintf(command, sizeof(command), does[way], path, path);
        assert_int_equal(system(command), 0);
        outbox = new_outbox();
        assert_int_equal(outbox_work(outbox, 200), 0);
        assert_int_equal(server.requests, 0);
        if (way <= CHANGED)
            assert_non_null(strstr(log_text, "is damaged"));
        outbox_free(outbox);
        remove_spool();
    }
    stop_server();
}

static void names_are_read_as_they_are_written(void **state)
{
    static const char *const wrong[] = {
        "",
        "lock-00000000",
        "1796040000123456789-5f3a9c01-0000002a-2345-pyroscope-1a2b3c4d-7c21aa00",
        "1796040000123456789-5f3a9c01-0000002a-2345-pyroscope-1a2b3c4d-7c21aa00.requests",
        "1796040000123456789-5F3A9C01-0000002a-2345-pyroscope-1a2b3c4d-7c21aa00.request",
        "1796040000123456789-5f3a9c01-0000002a-02345-pyroscope-1a2b3c4d-7c21aa00.request",
        "-000000000123456789-5f3a9c01-0000002a-2345-pyroscope-1a2b3c4d-7c21aa00.request",
        "1796040000123456789-5f3a9c01-0000002a-2345-../x-1a2b3c4d-7c21aa00.request",
        "1796040000123456789-5f3a9c01-0000002a-999999999-pyroscope-1a2b3c4d-7c21aa00.request",
    };
    static const char right[] =
        "1796040000123456789-5f3a9c01-0000002a-2345-pyroscope-1a2b3c4d-7c21aa00.request";
    char text[REQUEST_NAME_BYTES];
    struct request_name name;

    (void)state;
    assert_true(request_name_read(&name, right));
    assert_int_equal(name.size, 2345);
    assert_string_equal(name.kind, "pyroscope");
    request_name_write(&name, text);
    assert_string_equal(text, right);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (request_name_read(&name, wrong[i]))
            fail_msg("%s is taken for a request", wrong[i]);
}

static void the_spool_is_bounded(void **state)
{
    struct outbox *outbox;

    (void)state;
    set_options("http://127.0.0.1:1");
    with_spool();
    options.settings.value[SETTING_SPOOL_SIZE].number = 5 * 4096;
    outbox = new_outbox();
    for (unsigned i = 0; i < 8; i++)
        add(outbox, "text");
    outbox_settle(outbox);
    assert_in_range(count_files(".request"), 4, 5);
    assert_non_null(strstr(log_text, "is full (CPROF_SPOOL_SIZE"));
    assert_in_range(outbox_counts(outbox)->dropped_size, 3, 4);
    add_at(outbox, "cpu", "old", hours_ago(25));
    outbox_work(outbox, 0);
    assert_int_equal(outbox_counts(outbox)->dropped_age, 1);
    assert_non_null(strstr(log_text, "CPROF_SPOOL_AGE"));
    outbox_free(outbox);
    assert_non_null(strstr(log_text, "the next uploader with this CPROF_SPOOL sends them"));
    remove_spool();
}

/* A limit of the file size stands for a disk that is full. */
static void a_full_disk_is_survived_in_memory(void **state)
{
    struct rlimit before, none = {0, RLIM_INFINITY};
    struct outbox *outbox;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    start_server(ANSWERS(OK));
    set_options("http://127.0.0.1:%d", server.port);
    with_spool();
    outbox = new_outbox();
    getrlimit(RLIMIT_FSIZE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &none);
    add_three(outbox);
    outbox_settle(outbox);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(count_files(".request"), 0);
    assert_int_equal(outbox_counts(outbox)->spool_errors, 3);
    assert_non_null(strstr(log_text, "cannot be written"));
    assert_null(strstr(strstr(log_text, "cannot be written") + 1, "cannot be written"));
    add(outbox, "four");
    outbox_settle(outbox);
    assert_non_null(strstr(log_text, "can be written again"));
    assert_int_equal(count_files(".request"), 1);
    assert_int_equal(outbox_work(outbox, 3000), 0);
    assert_int_equal(server.requests, 4);
    assert_string_equal(body(3), "four");
    outbox_free(outbox);
    remove_spool();
    stop_server();
}

static void what_a_server_finds_too_old_stays(void **state)
{
    struct outbox *outbox;

    (void)state;
    start_server(ANSWERS(TEXT("400 X") "too far back", OK));
    set_options("http://127.0.0.1:%d", server.port);
    with_spool();
    outbox = new_outbox();
    add_at(outbox, "cpu", "older", hours_ago(3));
    add_at(outbox, "cpu", "old", hours_ago(2));
    add(outbox, "new");
    assert_int_equal(outbox_work(outbox, 3000), 0);
    /* Of the two, the one that was sent says nothing of the other. */
    assert_in_range(server.requests, 3, 3);
    assert_string_equal(body(2), "new");
    assert_int_equal(count_files(".request"), 1);
    assert_non_null(strstr(log_text, "too far back"));
    outbox_free(outbox);
    remove_spool();
    stop_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_hold_up_nothing_and_are_said_once),
        cmocka_unit_test(protocols_differ),
        cmocka_unit_test(cut_answers_are_answers),
        cmocka_unit_test(retry_after_may_be_a_date),
        cmocka_unit_test(one_that_is_put_off_does_not_hold_up_the_rest),
        cmocka_unit_test(too_large_requests_are_split),
        cmocka_unit_test(what_was_settled_outlives_a_kill),
        cmocka_unit_test(what_was_not_settled_is_none_of_a_successors),
        cmocka_unit_test(a_living_uploaders_requests_are_its_own),
        cmocka_unit_test(another_tenants_requests_stay),
        cmocka_unit_test(hostile_files_are_not_sent),
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(the_spool_is_bounded),
        cmocka_unit_test(a_full_disk_is_survived_in_memory),
        cmocka_unit_test(what_a_server_finds_too_old_stays),
    };

    log_has_info = true;
    setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
