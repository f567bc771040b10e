/* SPDX-License-Identifier: Apache-2.0 */
/* The sinks: files in a directory of the test's, pushes to a small server in a thread that answers by a
 * script. */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/profile/profile.pb-c.h"
#include "uploader/programs/sink.h"
#include "uploader/sinks/pyroscope/pairs.h"

/* ---- What the sinks say ---- */
static char log_text[65536];

static void log_add(const char *format, va_list arguments)
{
    size_t used = strlen(log_text);

    vsnprintf(log_text + used, sizeof(log_text) - used, format, arguments);
    strncat(log_text, "\n", sizeof(log_text) - strlen(log_text) - 1);
}

void log_open(const struct options *options)
{
    (void)options;
}

void log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_add(format, arguments);
    va_end(arguments);
}

void log_warn(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_add(format, arguments);
    va_end(arguments);
}

void log_failure(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_add(format, arguments);
    va_end(arguments);
}

/* ---- The server: its answers in turn, the last one for all that follow; "" closes, NULL is silent ---- */
/* In ONE_TRY_MS a busy machine answers a request, and no second try is due: the shortest pause is 500 ms. */
enum { REQUESTS = 64, REQUEST_BYTES = 256 * 1024, ONE_TRY_MS = 490 };
static struct server {
    int listener, port;
    pthread_t thread;
    const char *const *answer;
    _Atomic unsigned requests;
    _Atomic bool stop;
    char *request[REQUESTS];
    size_t size[REQUESTS];
} server;

static size_t find_length(const char *request)
{
    const char *at = strcasestr(request, "\r\nContent-Length:");

    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static bool read_request(int fd, char *buffer, size_t *size)
{
    *size = 0;
    for (;;) {
        char *end;
        ssize_t got = read(fd, buffer + *size, REQUEST_BYTES - 1 - *size);
        if (got <= 0)
            return false;
        *size += (size_t)got;
        buffer[*size] = 0;
        end = memmem(buffer, *size, "\r\n\r\n", 4);
        if (end && *size >= (size_t)(end + 4 - buffer) + find_length(buffer))
            return true;
    }
}

static void serve_one(int fd)
{
    struct timeval patience = {.tv_sec = 2};
    unsigned n = server.requests, last = 0;
    char *buffer = malloc(REQUEST_BYTES);
    size_t size;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (n < REQUESTS && read_request(fd, buffer, &size)) {
        const char *answer;
        while (last < n && (server.answer[last + 1] || server.answer[last + 2]))
            last++;
        answer = server.answer[last];
        server.request[n] = buffer;
        server.size[n] = size;
        server.requests++;
        buffer = NULL;
        if (answer && *answer)
            (void)!write(fd, answer, strlen(answer));
        while (!answer && !server.stop)
            usleep(1000);
    }
    free(buffer);
    close(fd);
}

static void *serve(void *unused)
{
    struct pollfd wanted = {.fd = server.listener, .events = POLLIN};

    while (!server.stop) {
        if (poll(&wanted, 1, 5) <= 0)
            continue;
        serve_one(accept(server.listener, NULL, NULL));
    }
    return unused;
}

/* answers ends with two NULLs. */
static void start_server(const char *const *answers)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    memset(&server, 0, sizeof(server));
    server.answer = answers;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(server.listener, 16), 0);
    server.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop_server(void)
{
    server.stop = true;
    pthread_join(server.thread, NULL);
    close(server.listener);
    for (unsigned i = 0; i < REQUESTS; i++)
        free(server.request[i]);
}

#define OK           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#define TEXT(s)      "HTTP/1.1 " s "\r\nConnection: close\r\n\r\n"
#define ANSWERS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})

/* ---- What is handed to the sinks ---- */
static struct options options;
static char url[200];

static void set_options(const char *format, ...)
{
    va_list arguments;

    memset(&options, 0, sizeof(options));
    for (unsigned i = 0; i < SETTINGS; i++)
        options.settings.value[i].text = "";
    va_start(arguments, format);
    vsnprintf(url, sizeof(url), format, arguments);
    va_end(arguments);
    options.settings.value[SETTING_SERVER].text = url;
    *log_text = 0;
}

static const struct symbol_line line = {"main", "main", "", 0, 0};
static const struct symbol_location location = {NULL, 1, 1, 1, &line};
static const struct symbol_location *const stack[] = {&location};

static struct profile *one_sample(void)
{
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 10);

    assert_int_equal(profile_add(profile, stack, 1, 1, "", (int64_t[PROFILE_VALUES]){1, 2}, NULL), 0);
    return profile;
}

static struct upload make_upload(struct profile *profile)
{
    static const struct program_id id = {"app", "app", ""};
    int64_t now_ns = clock_ns(CLOCK_REALTIME);

    return (struct upload){
        .id = &id,
        .program = "app",
        .service = "shop",
        .labels = "env=test, zone:a-1,bad name=x,__x=1,broken",
        .start_ns = now_ns - SECOND_NS,
        .end_ns = now_ns,
        .session_start_ns = now_ns - SECOND_NS,
        .interval = {[KIND_ID_CPU] = profile},
        .merged = {[KIND_ID_CPU] = profile},
        .period = {10000000, 524288},
        .final = true,
    };
}

static struct sink *take_one(void)
{
    struct sink *sink = sink_pyroscope_new(&options);
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);

    assert_non_null(sink);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    profile_free(profile);
    return sink;
}

static const char *header(unsigned request, const char *name)
{
    static char value[200];
    char start[100];
    const char *at;

    snprintf(start, sizeof(start), "\r\n%s: ", name);
    at = strcasestr(server.request[request], start);
    snprintf(value, sizeof(value), "%.*s", at ? (int)strcspn(at + strlen(start), "\r") : 0,
             at ? at + strlen(start) : "");
    return value;
}

/* ---- Pushing ---- */
static const char *label_of(const Cprof__PushRequest *push, const char *name)
{
    const Cprof__RawProfileSeries *series = push->series[0];

    for (size_t i = 0; i < series->n_labels; i++)
        if (!strcmp(series->labels[i]->name, name))
            return series->labels[i]->value;
    return "(none)";
}

static void a_push_carries_labels_and_credentials(void **state)
{
    Cprof__PushRequest *push;
    struct sink *sink;
    char *body;

    (void)state;
    start_server(ANSWERS(OK));
    set_options("127.0.0.1:%d/base/", server.port);
    options.settings.value[SETTING_AUTH_TOKEN].text = "the-token";
    options.settings.value[SETTING_TENANT].text = "team";
    options.settings.value[SETTING_HEADERS].text = "X-One=a=b:c, X-Two: 2,Bad=x\r\ny: z,none";
    options.settings.value[SETTING_RESOURCE].text = "service.name=other,host.name=h%201,env=ignored";
    sink = take_one();
    assert_int_equal(sink->ops->work(sink, 2000), 0);
    assert_int_equal(server.requests, 1);
    assert_memory_equal(server.request[0], "POST /base/push.v1.PusherService/Push ", 38);
    assert_string_equal(header(0, "Content-Type"), "application/proto");
    assert_string_equal(header(0, "Authorization"), "Bearer the-token");
    assert_string_equal(header(0, "X-Scope-OrgID"), "team");
    assert_string_equal(header(0, "X-One"), "a=b:c");
    assert_string_equal(header(0, "X-Two"), "2");
    assert_string_equal(header(0, "Bad"), "");
    body = memmem(server.request[0], server.size[0], "\r\n\r\n", 4) + 4;
    push = cprof__push_request__unpack(NULL, server.size[0] - (size_t)(body - server.request[0]),
                                       (uint8_t *)body);
    assert_non_null(push);
    assert_int_equal(push->n_series, 1);
    assert_string_equal(label_of(push, "__name__"), "process_cpu");
    assert_string_equal(label_of(push, "service_name"), "shop");
    assert_string_equal(label_of(push, "__delta__"), "false");
    assert_string_equal(label_of(push, "env"), "test");
    assert_string_equal(label_of(push, "zone"), "a-1");
    assert_string_equal(label_of(push, "bad_name"), "x");
    assert_string_equal(label_of(push, "__x"), "(none)");
    assert_string_equal(label_of(push, "host_name"), "h 1");
    assert_int_equal(push->series[0]->n_samples, 1);
    assert_int_equal(strlen(push->series[0]->samples[0]->id), 36);
    assert_int_equal(push->series[0]->samples[0]->raw_profile.data[0], 0x1f);
    assert_non_null(strstr(log_text, "bad name"));
    assert_non_null(strstr(log_text, "CPROF_HTTP_HEADERS: write name=value,name=value"));
    cprof__push_request__free_unpacked(push, NULL);
    sink->ops->free(sink);
    stop_server();
}

static void a_refused_profile_is_not_sent_again(void **state)
{
    struct sink *sink;

    (void)state;
    start_server(ANSWERS(TEXT("400 Bad Request") "{\"code\":\"invalid_argument\"}"));
    set_options("http://127.0.0.1:%d", server.port);
    sink = take_one();
    assert_int_equal(sink->ops->work(sink, 2000), 0);
    assert_int_equal(server.requests, 1);
    assert_non_null(strstr(log_text, "invalid_argument"));
    sink->ops->free(sink);
    stop_server();
}

static void denied_access_says_what_to_set_and_no_secret(void **state)
{
    struct sink *sink;

    (void)state;
    start_server(ANSWERS(TEXT("401 Unauthorized") "wrong password hunter22 of me"));
    set_options("http://me:hunter22@127.0.0.1:%d", server.port);
    sink = take_one();
    assert_int_equal(sink->ops->work(sink, 2000), 0);
    assert_string_equal(header(0, "Authorization"), "Basic bWU6aHVudGVyMjI=");
    assert_non_null(strstr(log_text, "CPROF_AUTH_TOKEN"));
    assert_non_null(strstr(log_text, "wrong password ********"));
    assert_null(strstr(log_text, "hunter22"));
    sink->ops->free(sink);
    stop_server();
}

/* What an answer shows, when the server sends `echo` and the credentials are these. */
static const char *shown(const char *token, const char *headers, const char *echo)
{
    static char text[4000];
    char answer[2000];
    struct sink *sink;

    snprintf(answer, sizeof answer, TEXT("400 Bad") "<%s>", echo);
    start_server(ANSWERS(answer));
    set_options("http://me:pass%%2Fword@127.0.0.1:%d", server.port);
    options.settings.value[SETTING_AUTH_TOKEN].text = token;
    options.settings.value[SETTING_HEADERS].text = headers;
    sink = take_one();
    assert_int_equal(sink->ops->work(sink, 2000), 0);
    snprintf(text, sizeof text, "%.3999s", log_text);
    sink->ops->free(sink);
    stop_server();
    return text;
}

static void no_answer_shows_a_secret(void **state)
{
    static const struct {
        const char *token, *headers, *echo, *seen;
    } rows[] = {
        {"****", "", "Bearer ****!", "<Bearer ********!>"}, /* looks like what it is replaced by */
        {"********", "", "****************", "<********>"},
        {"abab", "", "xababab", "<x********>"}, /* overlapping itself */
        {"abcd", "X-Key=cdef", "-abcdef-", "<-********->"},
        {"tokentoken", "", "a tokentoke n", "<a tokentoke n>"}, /* is none */
        {"tokentoken", "", "me:pass/word, pass%2Fword", "<me:********, ********>"},
        {"tokentoken", "", "Basic bWU6cGFzcy93b3Jk", "<Basic ********>"},
        {"token/token", "", "token%2Ftoken dG9rZW4vdG9rZW4=", "<******** ********>"},
        {"", "X-Key=Bearer sesame", "sesame sesam", "<******** sesam>"},
        {"abc", "", "abc", "not shown"},
    };

    (void)state;
    setenv("all_proxy", "", 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = shown(rows[i].token, rows[i].headers, rows[i].echo);
        if (!strstr(text, rows[i].seen))
            fail_msg("%s: %s", rows[i].echo, text);
    }
    unsetenv("all_proxy");
}

static void another_server_is_named(void **state)
{
    struct sink *sink;

    (void)state;
    start_server(ANSWERS(TEXT("405 Method Not Allowed")));
    set_options("http://127.0.0.1:%d", server.port);
    sink = take_one();
    assert_int_equal(sink->ops->work(sink, 2000), 0);
    assert_int_equal(server.requests, 1);
    assert_non_null(strstr(log_text, "no Pyroscope server"));
    sink->ops->free(sink);
    stop_server();
}

static void errors_of_the_server_are_tried_again_a_few_times(void **state)
{
    struct sink *sink;

    (void)state;
    start_server(ANSWERS(TEXT("500 Internal Server Error") "unknown"));
    set_options("http://127.0.0.1:%d", server.port);
    sink = take_one();
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(sink->ops->work(sink, ONE_TRY_MS), 1);
    assert_int_equal(sink->ops->work(sink, ONE_TRY_MS), 0);
    assert_int_equal(server.requests, 4);
    assert_non_null(strstr(log_text, "dropped after 4 tries"));
    sink->ops->free(sink);
    stop_server();
}

static void retry_after_is_honoured(void **state)
{
    int64_t start_ns;
    struct sink *sink;

    (void)state;
    start_server(
        ANSWERS("HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", OK));
    set_options("http://127.0.0.1:%d", server.port);
    sink = take_one();
    start_ns = monotonic_ns();
    while (sink->ops->work(sink, 0) && monotonic_ns() < start_ns + 20 * SECOND_NS)
        usleep(10000);
    assert_int_equal(server.requests, 2);
    assert_in_range(monotonic_ns() - start_ns, 1900 * MS_NS, 9 * SECOND_NS);
    sink->ops->free(sink);
    stop_server();
}

static void a_closed_connection_loses_nothing(void **state)
{
    struct sink *sink;

    (void)state;
    start_server(ANSWERS("", OK));
    set_options("http://127.0.0.1:%d", server.port);
    sink = take_one();
    assert_int_equal(sink->ops->work(sink, ONE_TRY_MS), 1);
    assert_non_null(strstr(log_text, "cannot be reached"));
    assert_int_equal(sink->ops->work(sink, 2000), 0);
    assert_int_equal(server.requests, 2);
    assert_non_null(strstr(log_text, "reached again"));
    sink->ops->free(sink);
    stop_server();
}

static void a_silent_server_costs_no_time(void **state)
{
    int64_t start_ns = monotonic_ns();
    struct sink *sink;

    (void)state;
    start_server(ANSWERS(NULL));
    set_options("http://127.0.0.1:%d", server.port);
    sink = take_one();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(sink->ops->work(sink, 0), 1);
    assert_in_range(monotonic_ns() - start_ns, 0, 2 * SECOND_NS);
    start_ns = monotonic_ns();
    assert_int_equal(sink->ops->work(sink, 300), 1);
    assert_in_range(monotonic_ns() - start_ns, 290 * MS_NS, 3 * SECOND_NS);
    sink->ops->free(sink);
    assert_non_null(strstr(log_text, "1 profiles could not be sent"));
    stop_server();
}

static void redirects_are_followed_on_the_same_host_only(void **state)
{
    char there[300],
        away[] = "HTTP/1.1 307 X\r\nLocation: http://localhost:1/x?secret=1\r\nConnection: close\r\n\r\n";
    struct sink *sink;

    (void)state;
    start_server(ANSWERS(there, away));
    snprintf(there, sizeof(there),
             "HTTP/1.1 308 X\r\nLocation: http://127.0.0.1:%d/moved\r\nConnection: close\r\n\r\n",
             server.port);
    set_options("http://127.0.0.1:%d", server.port);
    options.settings.value[SETTING_AUTH_TOKEN].text = "the-token";
    sink = take_one();
    assert_int_equal(sink->ops->work(sink, 2000), 0);
    assert_int_equal(server.requests, 2);
    assert_memory_equal(server.request[1], "POST /moved ", 12);
    assert_string_equal(header(1, "Authorization"), "Bearer the-token");
    assert_non_null(strstr(log_text, "http://localhost:1/x"));
    assert_null(strstr(log_text, "secret"));
    sink->ops->free(sink);
    stop_server();
}

static void an_endless_answer_is_cut(void **state)
{
    enum { SIZE = 3 << 20 };
    char *answer = malloc(SIZE + 1);
    struct sink *sink;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    memset(answer, 'x', SIZE);
    answer[SIZE] = 0;
    memcpy(answer, TEXT("400 Bad"), strlen(TEXT("400 Bad")));
    start_server(ANSWERS(answer));
    set_options("http://127.0.0.1:%d", server.port);
    sink = take_one();
    assert_int_equal(sink->ops->work(sink, 2000), 0);
    assert_int_equal(server.requests, 1);
    assert_in_range(strlen(log_text), 100, 1500);
    sink->ops->free(sink);
    stop_server();
    free(answer);
}

static void old_profiles_are_dropped(void **state)
{
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);
    struct sink *sink;

    (void)state;
    set_options("http://127.0.0.1:1");
    upload.start_ns -= 7200 * SECOND_NS;
    upload.end_ns -= 7200 * SECOND_NS;
    sink = sink_pyroscope_new(&options);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    assert_int_equal(sink->ops->work(sink, 0), 0);
    assert_non_null(strstr(log_text, "older than an hour"));
    sink->ops->free(sink);
    profile_free(profile);
}

/* Names that do not compress, so that a few profiles fill the queue. */
static void the_queue_is_bounded(void **state)
{
    enum { STACKS = 600, BYTES = 2000 };
    static char name[STACKS][BYTES];
    static struct symbol_line lines[STACKS];
    static struct symbol_location locations[STACKS];
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], STACKS);
    struct upload upload = make_upload(profile);
    struct sink *sink;
    unsigned left;

    (void)state;
    for (unsigned i = 0; i < STACKS; i++) {
        const struct symbol_location *const one[] = {&locations[i]};
        for (unsigned n = 0; n < BYTES - 1; n++)
            name[i][n] = (char)('A' + rand() % 58);
        lines[i] = (struct symbol_line){name[i], name[i], "", 0, 0};
        locations[i] = (struct symbol_location){NULL, i, i + 1, 1, &lines[i]};
        assert_int_equal(profile_add(profile, one, 1, 1, "", (int64_t[PROFILE_VALUES]){1, 1}, NULL), 0);
    }
    set_options("http://127.0.0.1:1");
    sink = sink_pyroscope_new(&options);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(sink->ops->take(sink, &upload), 0);
    left = sink->ops->work(sink, 0);
    assert_in_range(left, 7, 11);
    assert_non_null(strstr(log_text, "dropped, the oldest"));
    sink->ops->free(sink);
    profile_free(profile);
}

static void a_wrong_url_is_complained_about(void **state)
{
    static const char *const wrong[] = {"ftp://host", "http://", "http://a b", "file:///etc/passwd"};

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        set_options("%s", wrong[i]);
        assert_null(sink_pyroscope_new(&options));
        assert_non_null(strstr(log_text, "CPROF_SERVER"));
    }
    set_options("%s", "");
    assert_null(sink_pyroscope_new(&options));
    assert_string_equal(log_text, "");
}

static void join_pairs(void *context, const char *name, const char *value)
{
    char *text = context;

    sprintf(text + strlen(text), "[%s|%s]", name, value);
}

static void lists_are_read(void **state)
{
    static const struct {
        const char *list, *found;
        int error;
    } cases[] = {
        {"a=1,b:2 , c = x=y:z", "[a|1][b|2][c|x=y:z]", 0},
        {"", "", 0},
        {",a=,", "[a|]", 0},
        {"a,b=1", "[b|1]", -EINVAL},
        {"=1", "", -EINVAL},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[200] = "";
        int error = pairs_read(cases[i].list, false, join_pairs, text);
        assert_string_equal(text, cases[i].found);
        assert_int_equal(error, cases[i].error);
    }
}

/* ---- Files ---- */
static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/cprof-sinks-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s %s-2", directory, directory);
    return system(command);
}

static struct sink *files_sink(void)
{
    set_options("%s", "");
    snprintf(options.out, sizeof(options.out), "%s", directory);
    return sink_files_new(&options);
}

/* Files in directory/name that end with suffix. */
static unsigned count_files(const char *name, const char *suffix)
{
    char path[200];
    unsigned count = 0;
    struct dirent *entry;
    DIR *list;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    list = opendir(path);
    while (list && (entry = readdir(list))) {
        size_t length = strlen(entry->d_name);
        count += length >= strlen(suffix) && !strcmp(entry->d_name + length - strlen(suffix), suffix);
    }
    if (list)
        closedir(list);
    return count;
}

static void files_are_written_whole(void **state)
{
    struct profile *profile = one_sample(), *empty = profile_new(&profile_kinds[KIND_ID_MEMORY], 10);
    struct upload upload = make_upload(profile);
    struct sink *sink = files_sink();

    (void)state;
    upload.interval[KIND_ID_MEMORY] = upload.merged[KIND_ID_MEMORY] = empty;
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    assert_int_equal(sink->ops->take(sink, &upload), 0); /* in the same millisecond */
    assert_int_equal(sink->ops->work(sink, 0), 0);
    assert_int_equal(count_files("app", "cpu.pb.gz"), 1);
    assert_int_equal(count_files("app", "memory.pb.gz"), 1);
    assert_int_equal(count_files("app/intervals", "-cpu.pb.gz"), 2);
    assert_int_equal(count_files("app/intervals", "-memory.pb.gz"), 0);
    assert_int_equal(count_files("", "report.html"), 1);
    assert_int_equal(count_files("app", ".tmp") + count_files("", ".tmp"), 0);
    assert_string_equal(log_text, "");
    sink->ops->free(sink);
    profile_free(profile);
    profile_free(empty);
}

static void a_directory_in_use_is_left_alone(void **state)
{
    struct sink *first = files_sink(), *second = files_sink();
    struct stat status;
    char path[100];

    (void)state;
    assert_non_null(strstr(log_text, "in use by another session"));
    snprintf(path, sizeof(path), "%s-2", directory);
    assert_int_equal(stat(path, &status), 0);
    second->ops->free(second);
    first->ops->free(first);
    first = files_sink();
    assert_string_equal(log_text, "");
    first->ops->free(first);
}

static void a_full_disk_is_said_once_and_leaves_no_part(void **state)
{
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);
    struct sink *sink = files_sink();
    struct rlimit full = {0, RLIM_INFINITY}, before;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    setrlimit(RLIMIT_FSIZE, &full);
    for (unsigned i = 0; i < 3; i++) {
        upload.start_ns += SECOND_NS;
        assert_int_equal(sink->ops->take(sink, &upload), -EFBIG);
        sink->ops->work(sink, 0);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    assert_non_null(strstr(log_text, "cannot write"));
    assert_ptr_equal(strchr(log_text, '\n'), log_text + strlen(log_text) - 1);
    assert_int_equal(count_files("app", "cpu.pb.gz"), 1);
    assert_int_equal(
        count_files("app", ".tmp") + count_files("", ".tmp") + count_files("app/intervals", ".tmp"), 0);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    sink->ops->free(sink);
    profile_free(profile);
}

static void a_directory_that_was_removed_is_made_again(void **state)
{
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);
    struct sink *sink = files_sink();

    assert_int_equal(sink->ops->take(sink, &upload), 0);
    assert_int_equal(remove_directory(state), 0);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    sink->ops->work(sink, 0);
    assert_int_equal(count_files("app", "cpu.pb.gz"), 1);
    assert_int_equal(count_files("", "report.html"), 1);
    sink->ops->free(sink);
    profile_free(profile);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_carries_labels_and_credentials),
        cmocka_unit_test(a_refused_profile_is_not_sent_again),
        cmocka_unit_test(denied_access_says_what_to_set_and_no_secret),
        cmocka_unit_test(no_answer_shows_a_secret),
        cmocka_unit_test(another_server_is_named),
        cmocka_unit_test(errors_of_the_server_are_tried_again_a_few_times),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(a_closed_connection_loses_nothing),
        cmocka_unit_test(a_silent_server_costs_no_time),
        cmocka_unit_test(redirects_are_followed_on_the_same_host_only),
        cmocka_unit_test(an_endless_answer_is_cut),
        cmocka_unit_test(old_profiles_are_dropped),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(a_wrong_url_is_complained_about),
        cmocka_unit_test(lists_are_read),
        FILE_TEST(files_are_written_whole),
        FILE_TEST(a_directory_in_use_is_left_alone),
        FILE_TEST(a_full_disk_is_said_once_and_leaves_no_part),
        FILE_TEST(a_directory_that_was_removed_is_made_again),
    };

    setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
