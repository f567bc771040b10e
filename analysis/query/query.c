/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/read/read.h"
#include "request.h"
#include "uploader/base/clock.h"
#include "uploader/base/progress.h"
#include "uploader/options/options.h"
#include "uploader/sinks/http/http.h"
#include "uploader/sinks/http/http_server.h"
#include "uploader/sinks/pyroscope/pyroscope_server.h"

enum { ANSWER_MOST = 256 << 20, TIMEOUT_MS = 120000, WAIT_MS = 200 };

struct asking {
    uint8_t *data;
    size_t size, room;
    bool done, is_whole, too_large;
    int status;
    char text[READ_ERROR];
};

bool is_query(const char *argument)
{
    return !strncmp(argument, "http://", 7) || !strncmp(argument, "https://", 8);
}

/* The URL without user and password, which may hold an '@' themselves. */
static const char *query_shown(const char *url)
{
    const char *at = memrchr(url, '@', strcspn(url, "?"));

    return at ? at + 1 : url;
}

static bool take(void *context, const uint8_t *data, size_t size)
{
    struct asking *asking = context;

    if (asking->size + size > ANSWER_MOST) {
        asking->too_large = true;
        return false;
    }
    if (asking->size + size > asking->room) {
        size_t room = 2 * (asking->size + size);
        uint8_t *grown = realloc(asking->data, room);
        if (!grown)
            return false;
        asking->data = grown;
        asking->room = room;
    }
    memcpy(asking->data + asking->size, data, size);
    asking->size += size;
    progress_at(asking->size, 0);
    return true;
}

static void finish(void *context, const struct http_answer *answer)
{
    struct asking *asking = context;

    asking->done = true;
    asking->status = answer->status;
    asking->is_whole = answer->is_whole;
    snprintf(asking->text, sizeof asking->text, "%s", answer->text);
}

static void put_varint(FILE *file, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        fputc((int)(value & 0x7f) | 0x80, file);
    fputc((int)value, file);
}

static void put_text(FILE *file, unsigned number, const char *text)
{
    put_varint(file, number << 3 | 2);
    put_varint(file, strlen(text));
    fputs(text, file);
}

/* querier.v1.SelectMergeProfileRequest: type, selector, start, end. */
static int make_body(const struct query_request *query, struct http_request *request)
{
    char *body = NULL;
    FILE *file = open_memstream(&body, &request->size);

    if (!file)
        return -ENOMEM;
    put_text(file, 1, query->type);
    put_text(file, 2, query->selector);
    put_varint(file, 3 << 3);
    put_varint(file, (uint64_t)query->from_ms);
    put_varint(file, 4 << 3);
    put_varint(file, (uint64_t)query->until_ms);
    if (fclose(file))
        return -ENOMEM;
    request->body = (uint8_t *)body;
    return 0;
}

/* The setting's login goes to the setting's server alone. */
static void choose_login(struct http_settings *http, const struct query_request *query)
{
    struct http_server set = {.url = NULL}, asked = {.url = NULL};
    bool same;

    if (!*http->url)
        return;
    same = http_server_open(&set, http) &&
           http_server_open(&asked, &(struct http_settings){.url = query->server,
                                                            .url_name = "the query",
                                                            .token = "",
                                                            .user = "",
                                                            .password = "",
                                                            .tenant = "",
                                                            .headers = "",
                                                            .headers_name = "",
                                                            .ca_file = "",
                                                            .client_cert = "",
                                                            .client_key = ""}) &&
           http_server_may_follow(&set, asked.url);
    if (!same)
        http->token = http->user = http->password = http->tenant = http->headers = http->client_cert = "";
    http_server_close(&set);
    http_server_close(&asked);
}

/* The server as the settings have it, at the query's address. NULL: the URL makes no sense. */
static struct http *open_server(const struct query_request *query)
{
    static struct options options = {.foreground = true};
    static char name[] = "diff";
    struct http_settings settings;

    if (options_parse(&options, 1, (char *[]){name, NULL}) < 0)
        return NULL;
    pyroscope_server_read(&settings, &options);
    choose_login(&settings, query);
    settings.url = query->server;
    settings.url_name = "the query";
    settings.timeout_ms = TIMEOUT_MS;
    return http_new(&settings);
}

static int ask(struct asking *asking, const struct query_request *query)
{
    struct http_request request = {
        .path = "/querier.v1.QuerierService/SelectMergeProfile",
        .content_type = "application/proto",
        .take = take,
    };
    struct http *http = open_server(query);
    int rc = http ? make_body(query, &request) : -EINVAL;

    if (!rc)
        rc = http_post(http, &request, finish, asking);
    while (!rc && !asking->done && http_work(http, WAIT_MS))
        progress_at(asking->size, 0);
    http_free(http);
    return rc;
}

/* What the answer says, if it is no profile: JSON with "message" in it, of which the first line is enough. */
static int refused(struct reading *reading, const struct asking *asking, const char *server)
{
    if (!asking->status)
        return reading_fail(reading, -EIO, "%s: no answer: %s", server, asking->text);
    if (asking->too_large)
        return reading_fail(reading, -EFBIG, "%s: the profile has more than %d MiB: ask for a shorter span",
                            server, ANSWER_MOST >> 20);
    if (asking->status == 401 || asking->status == 403)
        return reading_fail(reading, -EACCES,
                            "%s: the server refuses the login (status %d): set CPROF_AUTH_TOKEN, or "
                            "CPROF_BASIC_AUTH_USER and CPROF_BASIC_AUTH_PASSWORD, or CPROF_TENANT_ID",
                            server, asking->status);
    if (asking->status != 200)
        return reading_fail(reading, -EIO, "%s: the server answers with status %d: %s", server,
                            asking->status, asking->text);
    return reading_fail(reading, -EIO, "%s: the answer is cut off", server);
}

/* What the server knows of kinds and spans is not in its profile. */
static int add_profile(struct reading *reading, const struct asking *asking,
                       const struct query_request *query)
{
    char kind[QUERY_TEXT];
    int rc;

    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(query->type, ":"), query->type);
    reading->kind = !strcmp(kind, "process_cpu") ? "cpu" : kind;
    reading->program = *query->service ? query->service : NULL;
    rc = reading_add_bytes(reading, "the server's profile", asking->data, asking->size);
    reading->kind = reading->program = NULL;
    for (size_t i = 0; i < reading->profiles && !rc; i++) {
        reading->profile[i]->start_ns = query->from_ms * MS_NS;
        reading->profile[i]->end_ns = query->until_ms * MS_NS;
        reading->profile[i]->duration_ns = (query->until_ms - query->from_ms) * MS_NS;
    }
    return rc;
}

int query_add(struct reading *reading, const char *url, uint8_t **data, size_t *size)
{
    struct query_request query;
    struct asking asking = {.data = NULL};
    char why[QUERY_TEXT];
    int rc = query_parse(&query, url, clock_ns(CLOCK_REALTIME) / MS_NS, why);

    *data = NULL;
    *size = 0;
    if (rc)
        return reading_fail(reading, rc, "%s: %s", query_shown(url), why);
    rc = ask(&asking, &query);
    if (rc)
        reading_fail(reading, rc, "%s: %s", query_shown(query.server),
                     rc == -ENOMEM ? "not enough memory" : "this is no http:// or https:// URL");
    else if (asking.status != 200 || !asking.is_whole)
        rc = refused(reading, &asking, query_shown(query.server));
    else if (asking.size)
        rc = add_profile(reading, &asking, &query);
    if (!rc && (!reading->profiles || !reading->profile[0]->samples))
        rc = reading_fail(reading, -ENODATA, "%s: the server has no profile %s of %s in this span",
                          query_shown(query.server), query.type, query.selector);
    *data = asking.data;
    *size = asking.size;
    return rc;
}
