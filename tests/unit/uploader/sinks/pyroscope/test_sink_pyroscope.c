/* SPDX-License-Identifier: Apache-2.0 */
/* The sink of Pyroscope: pushes to a small server in a thread that answers by a script. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "../server_fixture.h"
#include "../sink_fixture.h"
#include "uploader/base/store.h"
#include "uploader/encoding/gunzip.h"
#include "uploader/pprof/profile.pb-c.h"
#include "uploader/sinks/http/pairs.h"
#include "uploader/sinks/pyroscope/series.h"
#include "uploader/sinks/pyroscope/split_push.h"

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

static void names_of_labels_stay_apart(void **state)
{
    static const struct {
        bool as_given;
        const char *given, *sent;
        enum series_note note;
    } rows[] = {
        {false, "a.b", "a_b", SERIES_RENAMED},
        {false, "a-b", "a_b_2", SERIES_RENAMED},
        {false, "a_b", "a_b_3", SERIES_RENAMED},
        {false, "a.b", "", SERIES_TAKEN},
        {false, "9", "_9", SERIES_RENAMED},
        {false,
         "gr\xc3\xb6\xc3\x9f"
         "e",
         "gr____e", SERIES_RENAMED},
        {false, "", "", SERIES_EMPTY},
        {true, "a.b", "a.b", SERIES_ADDED},
        {true, "a-b", "a-b", SERIES_ADDED},
        {true,
         "gr\xc3\xb6\xc3\x9f"
         "e",
         "gr\xc3\xb6\xc3\x9f"
         "e",
         SERIES_ADDED},
        {true, "a\nb", "a?b", SERIES_RENAMED},
        {true,
         "a\xff"
         "b",
         "a?b_2", SERIES_RENAMED},
        {true, "__name__", "", SERIES_RESERVED},
    };
    struct series series = {.labels = 0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        unsigned before = series.labels;
        if (series.as_given != rows[i].as_given)
            series_free(&series);
        before = series.as_given != rows[i].as_given ? 0 : before;
        series.as_given = rows[i].as_given;
        assert_int_equal(series_add(&series, rows[i].given, "x", false), rows[i].note);
        assert_int_equal(series.labels - before, *rows[i].sent != 0);
        if (*rows[i].sent)
            assert_string_equal(series.label[before].name, rows[i].sent);
    }
    series_free(&series);
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
    assert_int_equal(sink->ops->work(sink, 2000), 1); /* kept: it may be a page of maintenance */
    assert_true(server.requests >= 1);
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
    assert_int_equal(sink->ops->work(sink, ONE_TRY_MS), 1);
    assert_int_equal(server.requests, 1);
    assert_int_equal(sink->ops->work(sink, 20000), 0); /* after pauses of 1.5, 3 and 6 s at most */
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
    assert_int_equal(sink->ops->work(sink, 2000), 1); /* kept: it may be a page of maintenance */
    assert_true(server.requests >= 2);
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

/* ---- Requests that a server finds too large ---- */
struct sums {
    unsigned pieces, samples;
    int64_t value;
    size_t largest, frames, names;
    int64_t time_ns[16];
};

/* A piece as a server would read it: everything that a sample names is there, and no more. */
static void add_up(struct sums *sums, const uint8_t *body, size_t size)
{
    Cprof__PushRequest *push = cprof__push_request__unpack(NULL, size, body);
    const ProtobufCBinaryData *raw;
    Cprof__Profile *profile;
    uint8_t *plain;
    size_t used;

    assert_non_null(push);
    raw = &push->series[0]->samples[0]->raw_profile;
    assert_int_equal(gunzip_all(raw->data, raw->len, SIZE_MAX, &plain, &used), 0);
    profile = cprof__profile__unpack(NULL, used, plain);
    assert_non_null(profile);
    for (size_t i = 0; i < profile->n_sample; i++) {
        sums->value += profile->sample[i]->value[0];
        assert_in_range(profile->sample[i]->location_id[0], 1, INT32_MAX);
        sums->frames = profile->sample[i]->n_location_id;
    }
    for (size_t i = 0; i < profile->n_string_table; i++)
        sums->names += strlen(profile->string_table[i]);
    assert_in_range(profile->n_function, 1, profile->n_location);
    sums->samples += profile->n_sample;
    sums->largest = used > sums->largest ? used : sums->largest;
    sums->time_ns[sums->pieces++ % 16] = profile->time_nanos;
    cprof__profile__free_unpacked(profile, NULL);
    cprof__push_request__free_unpacked(push, NULL);
    free(plain);
}

struct kept {
    struct sums *sums;
    uint8_t *body;
    size_t size;
};

static int keep_piece(void *context, uint8_t *body, size_t size)
{
    struct kept *kept = context;

    add_up(kept->sums, body, size);
    kept->body = body;
    kept->size = size;
    return 0;
}

static struct store names;

static void free_names(struct profile *profile)
{
    profile_free(profile);
    store_free(&names);
    memset(&names, 0, sizeof names);
}

/* So many samples of so many frames each, whose values are 1, 2, 3 ... */
static struct profile *many_samples(unsigned samples, unsigned frames, unsigned name_bytes)
{
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], samples);
    static struct symbol_location locations[2000];
    static struct symbol_line lines[2000];

    for (unsigned i = 0; i < samples + frames; i++) {
        char *name = store_alloc(&names, name_bytes + 1);
        memset(name, 'a' + (int)(i % 26), name_bytes);
        snprintf(name + name_bytes - 8, 9, "%08u", i % 100000000);
        lines[i] = (struct symbol_line){name, name, "", 0, 0};
        locations[i] = (struct symbol_location){NULL, i, i + 1, 1, &lines[i]};
    }
    for (unsigned i = 0; i < samples; i++) {
        const struct symbol_location *stacked[1200];
        for (unsigned n = 0; n < frames; n++)
            stacked[n] = &locations[i + n];
        assert_int_equal(
            profile_add(profile, stacked, frames, 1, "", (int64_t[PROFILE_VALUES]){i + 1, 1}, NULL), 0);
    }
    return profile;
}

static void a_request_that_is_too_large_is_split(void **state)
{
    struct profile *profile = many_samples(9, 3, 40);
    struct upload upload = make_upload(profile);
    struct sums whole = {0}, sent = {0};
    struct sink *sink;

    (void)state;
    start_server(
        ANSWERS(TEXT("413 X"), TEXT("400 X") "profile exceeds the samples count limit (2)", OK, OK, OK));
    set_options("http://127.0.0.1:%d", server.port);
    sink = sink_pyroscope_new(&options);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    assert_int_equal(sink->ops->work(sink, 3000), 0);
    assert_int_equal(server.requests, 5);
    for (unsigned i = 0; i < 5; i++) {
        const char *start = memmem(server.request[i], server.size[i], "\r\n\r\n", 4);
        add_up(i ? &sent : &whole, (const uint8_t *)start + 4,
               server.size[i] - (size_t)(start + 4 - server.request[i]));
        if (i == 1)
            memset(&sent, 0, sizeof sent); /* refused, too */
    }
    assert_int_equal(whole.value, 45);
    assert_int_equal(sent.value, 45);
    assert_int_equal(sent.samples, 9);
    assert_int_equal(sent.pieces, 3);
    assert_true(sent.time_ns[0] != sent.time_ns[1] && sent.time_ns[1] != sent.time_ns[2]);
    sink->ops->free(sink);
    free_names(profile);
    stop_server();
}

/* One sample, until nothing can be left out: the value stays. */
static void one_sample_that_is_too_large_becomes_smaller(void **state)
{
    struct profile *profile = many_samples(1, 900, 2000);
    struct upload upload = make_upload(profile);
    struct sums sums = {0};
    struct sink *sink;
    const char *start;
    uint8_t *body = NULL;
    size_t size;

    (void)state;
    start_server(ANSWERS(OK));
    set_options("http://127.0.0.1:%d", server.port);
    sink = sink_pyroscope_new(&options);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    assert_int_equal(sink->ops->work(sink, 3000), 0);
    start = (const char *)memmem(server.request[0], server.size[0], "\r\n\r\n", 4) + 4;
    size = server.size[0] - (size_t)(start - server.request[0]);
    body = memcpy(malloc(size), start, size);
    add_up(&sums, body, size);
    assert_in_range(sums.largest, 300000, 500000); /* of 1.8 MB */
    for (unsigned i = 0;; i++) {
        struct sums next = {0};
        struct kept kept = {&next, NULL, 0};
        int error = push_split(body, size, keep_piece, &kept);
        if (error == -E2BIG)
            break;
        assert_int_equal(error, 0);
        assert_int_equal(next.value, 1);
        assert_true(next.largest < sums.largest);
        assert_true(i < 30);
        sums = next;
        free(body);
        body = kept.body;
        size = kept.size;
    }
    assert_in_range(sums.largest, 100, 2000);
    free(body);
    sink->ops->free(sink);
    free_names(profile);
    stop_server();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_carries_labels_and_credentials),
        cmocka_unit_test(names_of_labels_stay_apart),
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
        cmocka_unit_test(a_request_that_is_too_large_is_split),
        cmocka_unit_test(one_sample_that_is_too_large_becomes_smaller),
        cmocka_unit_test(a_wrong_url_is_complained_about),
        cmocka_unit_test(lists_are_read),
    };

    log_has_info = true;
    setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
