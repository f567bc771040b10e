/* SPDX-License-Identifier: Apache-2.0 */
/* A test push: one sample of a service cprof-doctor goes to each server, as profiles would, with the same credentials. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checks.h"
#include "uploader/base/clock.h"
#include "uploader/base/progress.h"
#include "uploader/options/log.h"
#include "uploader/otlp/body.h"
#include "uploader/otlp/encode_otlp.h"
#include "uploader/pprof/encode.h"
#include "uploader/sinks/http/http.h"
#include "uploader/sinks/otlp/otlp_server.h"
#include "uploader/sinks/pyroscope/pyroscope_server.h"
#include "uploader/sinks/pyroscope/series.h"

enum { PATIENCE_S = 12, STEP_MS = 200, SKEW_NOTE_S = 30, SKEW_LOST_S = 600, TEXT = 320 };
static const char service[] = "cprof-doctor";
#define PERIOD_NS (10 * MS_NS)

/* What came back. */
struct answer {
    bool is_there;
    int status;
    int64_t date_s;
    char text[TEXT];
};

static void take_answer(void *context, const struct http_answer *from)
{
    struct answer *answer = context;

    *answer = (struct answer){.is_there = true, .status = from->status, .date_s = from->date_s};
    snprintf(answer->text, sizeof answer->text, "%s", from->text);
}

static void take_line(const char *line, void *context)
{
    struct examination *examination = context;
    FOUND(examination, MISSING, "%s\nCorrect the setting", line);
}

/* --- the sample --- */

struct test {
    struct symbols *symbols;
    struct profile *profile;
    struct upload upload;
    uint8_t *body;
    size_t size;
};

static bool test_make(struct test *test, const struct examination *examination)
{
    static const int64_t value[PROFILE_VALUES] = {1, PERIOD_NS};
    const struct symbol_location *frame;
    int64_t now_ns = clock_ns(CLOCK_REALTIME);

    *test = (struct test){.symbols = symbols_new("", 1 << 20),
                          .profile = profile_new(&profile_kinds[KIND_ID_CPU], 16)};
    if (!test->symbols || !test->profile)
        return false;
    frame = symbols_special(test->symbols, "[a test push of cprof doctor]");
    if (!frame || profile_add(test->profile, &frame, 1, 1, "", value, frame))
        return false;
    test->upload = (struct upload){.program = "doctor",
                                   .service = service,
                                   .labels = examination->options.settings.value[SETTING_LABELS].text,
                                   .start_ns = now_ns - SECOND_NS,
                                   .end_ns = now_ns,
                                   .session_start_ns = now_ns - SECOND_NS,
                                   .period[KIND_ID_CPU] = PERIOD_NS,
                                   .interval[KIND_ID_CPU] = test->profile};
    return true;
}

static void test_free(struct test *test)
{
    if (test->profile)
        profile_free(test->profile);
    if (test->symbols)
        symbols_free(test->symbols);
}

static void make_push(struct test *test, const struct examination *examination)
{
    const struct setting_value *value = examination->options.settings.value;
    const struct profile_meta meta = {.time_ns = test->upload.start_ns,
                                      .duration_ns = SECOND_NS,
                                      .period = PERIOD_NS,
                                      .program = "doctor",
                                      .no_addresses = true,
                                      .unnamed = PROFILE_UNNAMED_SHOWN};
    struct series series = {.kind = &profile_kinds[KIND_ID_CPU],
                            .as_given = !strcmp(value[SETTING_LABEL_NAMES].text, "utf8")};
    struct facts facts = {0};
    uint8_t *data = NULL;
    size_t size;

    series_label(&series, &test->upload, value[SETTING_RESOURCE].text, &facts, false);
    if (!profile_encode(test->profile, &meta, &data, &size))
        test->body = series_push_request(&series, data, size, &test->size);
    free(data);
    series_free(&series);
}

static int take_piece(void *context, uint8_t *data, size_t size)
{
    struct test *test = context;

    free(test->body);
    test->body = data;
    test->size = size;
    return 0;
}

static void make_otlp(struct test *test, bool compressed)
{
    static const struct otlp_limits limits = {16000, 1000, 1500 * 1000, MS_NS};
    struct resource resource = {.attributes = 0};
    const struct otlp_meta meta = {
        .time_ns = test->upload.start_ns, .unnamed = PROFILE_UNNAMED_SHOWN, .resource = &resource};
    uint8_t *packed;
    size_t size;

    resource_add(&resource, "service.name", service);
    otlp_encode(&test->upload, &meta, &limits, take_piece, test);
    if (test->body && compressed && !body_pack(test->body, test->size, &packed, &size)) {
        free(test->body);
        test->body = packed;
        test->size = size;
    }
    resource_free(&resource);
}

/* --- what the answer means --- */

static bool has(const char *text, const char *part)
{
    return strcasestr(text, part);
}

static bool has_proxy(const struct examination *examination)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy",
                                        "HTTP_PROXY",  "all_proxy",   "ALL_PROXY"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *proxy = settings_getenv(examination->environment, names[i]);
        if (proxy && *proxy)
            return true;
    }
    return *examination->options.settings.value[SETTING_PROXY].text;
}

/* libcurl says why, in many words. */
static const char *remedy_for(const struct examination *examination, const char *text)
{
    if (has(text, "proxy") || (has(text, "connect") && has_proxy(examination)))
        return "Correct the proxy: CPROF_PROXY, or https_proxy, http_proxy, no_proxy in the environment";
    if (has(text, "certificate") || has(text, "SSL") || has(text, "TLS"))
        return has(text, "wrong version number") || has(text, "unknown protocol") ||
                       has(text, "packet length")
                   ? "It speaks no TLS at this port: write http://, or its TLS port"
                   : "Name the authority by CPROF_CA_FILE (OTEL_EXPORTER_OTLP_CERTIFICATE), a client's "
                     "certificate by "
                     "CPROF_CLIENT_CERT; the URL must have the name that is in the certificate";
    if (has(text, "resolve"))
        return "Correct the host in the URL, or the name server";
    if (has(text, "timed out") || has(text, "timeout"))
        return "A firewall may be between: let the connection through, or correct host and port";
    if (has(text, "refused") || has(text, "connect to server"))
        return "Nothing listens at this port: start the server, or correct host and port";
    if (has(text, "HTTP/0.9") || has(text, "empty reply") || has(text, "reset"))
        return "It speaks no HTTP there, or wants TLS: correct the port, or write https://";
    return "Correct the URL, or what is between";
}

static void judge_status(struct examination *examination, const struct outbox_kind *kind, const char *url,
                         const struct answer *answer)
{
    const char *text = *answer->text ? answer->text : "no reason is given";

    switch (outbox_meaning(kind, answer->status)) {
    case OUTBOX_DENIED:
        FOUND(examination, MISSING, "%s denies access (%d: %s), so nothing arrives\nSet %s", url,
              answer->status, text, kind->login);
        break;
    case OUTBOX_NOT_HERE:
        FOUND(examination, MISSING,
              "there is no %s at %s: it answers %d, so nothing arrives\nCorrect the URL; the path "
              "behind it is %s",
              kind->server, url, answer->status, *kind->path ? kind->path : "part of it");
        break;
    case OUTBOX_MOVED:
        FOUND(examination, MISSING, "%s leads elsewhere (%d), to %s, where nothing is sent\nCorrect the URL",
              url, answer->status, text);
        break;
    case OUTBOX_TOO_LARGE:
        FOUND(examination, MISSING,
              "%s finds a request of 1 kB too large (%d: %s)\nRaise the limit of the server, or of a "
              "proxy before it (nginx: client_max_body_size)",
              url, answer->status, text);
        break;
    case OUTBOX_LATER:
        FOUND(examination, MISSING,
              "%s takes nothing at present (%d: %s); profiles wait and are sent later\n%s", url,
              answer->status, text,
              answer->status == 429 ? "Raise the tenant's limits, or CPROF_INTERVAL"
                                    : "Look at the server, or at the proxy before it");
        break;
    case OUTBOX_FAILED:
        FOUND(examination, MISSING, "%s broke over a test push (%d: %s)\nThe server's own log says why", url,
              answer->status, text);
        break;
    default:
        FOUND(examination, MISSING,
              "%s refuses a test push (%d: %s), so nothing arrives\nWhat it says is to be mended: labels "
              "(CPROF_LABELS), the tenant, the clock, or its limits",
              url, answer->status, text);
    }
}

static void judge_clock(struct examination *examination, const char *url, int64_t date_s)
{
    int64_t skew = date_s ? date_s - (int64_t)time(NULL) : 0, size = skew < 0 ? -skew : skew;
    const char *side = skew < 0 ? "ahead of" : "behind";

    if (size >= SKEW_LOST_S)
        FOUND(examination, MISSING,
              "this machine's clock is %lld s %s that of %s: profiles are shown at another time, or refused\n"
              "Set the clock (timedatectl set-ntp true)",
              (long long)size, side, url);
    else if (size >= SKEW_NOTE_S)
        FOUND(examination, NOTE, "this machine's clock is %lld s %s that of %s\nSet the clock",
              (long long)size, side, url);
}

static void judge(struct examination *examination, const struct outbox_kind *kind, const char *url,
                  const struct answer *answer)
{
    if (!answer->is_there)
        FOUND(examination, MISSING,
              "%s has not answered a test push within %d s; profiles wait for it, at most 8 MiB and an "
              "hour\nLook at the server, or at what is between",
              url, PATIENCE_S);
    else if (!answer->status)
        FOUND(examination, MISSING,
              "%s cannot be reached: %s; profiles wait for it, at most 8 MiB and an hour\n%s", url,
              answer->text, remedy_for(examination, answer->text));
    else if (outbox_meaning(kind, answer->status) != OUTBOX_TAKEN)
        judge_status(examination, kind, url, answer);
    else if (*answer->text == '<')
        FOUND(examination, MISSING,
              "%s answers %d with a page for people, so it is no %s, or one asks for a login before it; "
              "profiles are lost there\nCorrect the URL",
              url, answer->status, kind->server);
    else if (kind != &pyroscope_server_kind && *answer->text)
        FOUND(examination, MISSING, "%s took a part of the test push only: %s\nMend what it says", url,
              answer->text);
    else
        FOUND(examination, WELL, "%s has taken a test push, as service cprof-doctor", url);
    judge_clock(examination, url, answer->date_s);
}

static bool is_local(const char *url)
{
    return strstr(url, "://127.") || strstr(url, "://localhost") || strstr(url, "://[::1]");
}

static void judge_secrets(struct examination *examination, const struct http_settings *settings,
                          const char *url)
{
    if (!strncmp(url, "http://", 7) && !is_local(url) &&
        (*settings->token || *settings->password || *settings->headers))
        FOUND(examination, NOTE,
              "credentials go to %s without encryption\nWrite https://, if the server has it", url);
}

static void push(struct examination *examination, const struct outbox_kind *kind,
                 const struct http_settings *settings, struct test *test)
{
    struct http_request request = {.path = kind->path,
                                   .content_type = kind->content_type,
                                   .content_encoding = kind->content_encoding,
                                   .body = test->body,
                                   .size = test->size};
    struct http *http = http_new(settings);
    struct answer answer = {0};
    int64_t end_ns = monotonic_ns() + PATIENCE_S * SECOND_NS;
    const char *url;

    if (!http) {
        free(test->body);
        return;
    }
    url = http_url(http);
    progress_step("waiting for %s", url);
    if (!http_post(http, &request, take_answer, &answer))
        while (http_work(http, STEP_MS) && monotonic_ns() < end_ns)
            ;
    progress_end();
    judge(examination, kind, url, &answer);
    judge_secrets(examination, settings, url);
    http_free(http);
}

void check_server(struct examination *examination)
{
    struct http_settings settings;
    struct test test;

    if (examination->offline || !pyroscope_server_read(&settings, &examination->options))
        return;
    log_divert(take_line, examination);
    if (test_make(&test, examination))
        make_push(&test, examination);
    if (test.body)
        push(examination, &pyroscope_server_kind, &settings, &test);
    test_free(&test);
    log_divert(NULL, NULL);
}

void check_otlp(struct examination *examination)
{
    struct otlp_server server;
    struct test test;

    if (examination->offline)
        return;
    log_divert(take_line, examination);
    if (otlp_server_read(&server, &examination->options)) {
        if (test_make(&test, examination))
            make_otlp(&test, server.compressed);
        if (test.body)
            push(examination, &server.kind, &server.http, &test);
        test_free(&test);
    }
    log_divert(NULL, NULL);
}
