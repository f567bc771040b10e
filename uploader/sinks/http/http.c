/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_server.h"
#include "uploader/encoding/utf8.h"

enum {
    CONNECT_MS = 5000,
    REQUEST_MS = 300000,       /* and SLOWEST for its body */
    SILENCE_S = 60,            /* without a byte of either direction, and SLOWEST for its body: no answer */
    SLOWEST = 1000,            /* bytes a second */
    TEXT_BYTES = 300,          /* shown of an answer */
    BODY_BYTES = 2048,         /* of an answer that are kept to be explained */
    ANSWER_BYTES = 256 * 1024, /* more than that is not read */
    REDIRECTS = 3,
    CONNECTIONS = 4,
};

struct request {
    struct request *next;
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    uint8_t *body;
    http_take *take;
    http_done *done;
    void *context;
    uint8_t answer[BODY_BYTES];
    size_t kept, answer_size; /* bytes in answer, and bytes that came */
    unsigned redirects;
    time_t date; /* of the answer; 0: not told */
    char error[CURL_ERROR_SIZE];
};

struct http {
    CURLM *multi;
    struct http_server server;
    http_explain *explain;
    long timeout_ms; /* of a request; 0: longest_ms() */
    struct request *requests;
};

struct http *http_new(const struct http_settings *settings)
{
    struct http *http = calloc(1, sizeof(*http));

    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) || !http_server_open(&http->server, settings) ||
        !(http->multi = curl_multi_init())) {
        http_free(http);
        return NULL;
    }
    http->explain = settings->explain;
    http->timeout_ms = (long)settings->timeout_ms;
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
    return http;
}

static void request_free(struct request *request)
{
    struct request **link = &request->http->requests;

    while (*link && *link != request)
        link = &(*link)->next;
    if (*link)
        *link = request->next;
    if (request->easy) {
        curl_multi_remove_handle(request->http->multi, request->easy);
        curl_easy_cleanup(request->easy);
    }
    curl_slist_free_all(request->headers);
    free(request->body);
    free(request);
}

void http_free(struct http *http)
{
    if (!http)
        return;
    while (http->requests)
        request_free(http->requests);
    curl_multi_cleanup(http->multi);
    http_server_close(&http->server);
    free(http);
}

static size_t take_answer(char *data, size_t unit, size_t count, void *context)
{
    struct request *request = context;
    size_t size = unit * count, room = BODY_BYTES - request->kept;
    long status = 0;

    if (room > size)
        room = size;
    memcpy(request->answer + request->kept, data, room);
    request->kept += room;
    request->answer_size += size;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (request->take && status == 200)
        return request->take(request->context, (const uint8_t *)data, size) ? size : 0;
    return request->answer_size > ANSWER_BYTES ? 0 : size; /* 0 ends the transfer */
}

static size_t take_header(char *data, size_t unit, size_t count, void *context)
{
    static const char date[] = "date:";
    struct request *request = context;
    char line[64];

    if (unit * count < sizeof line && unit * count > sizeof date && !strncasecmp(data, date, strlen(date))) {
        memcpy(line, data, unit * count);
        line[unit * count] = 0;
        request->date = curl_getdate(line + strlen(date), NULL);
    }
    request->answer_size += unit * count;
    return request->answer_size > ANSWER_BYTES ? 0 : unit * count;
}

static bool append_header(struct request *request, const char *line)
{
    struct curl_slist *longer = curl_slist_append(request->headers, line);

    if (longer)
        request->headers = longer;
    return longer;
}

static bool add_header(struct request *request, const char *name, const char *value)
{
    char line[128];

    snprintf(line, sizeof(line), "%s: %s", name, value);
    return append_header(request, line);
}

static bool set_headers(struct request *request, const struct http_request *what)
{
    bool good = add_header(request, "Content-Type", what->content_type) &&
                (!what->content_encoding || add_header(request, "Content-Encoding", what->content_encoding));

    for (const struct curl_slist *line = request->http->server.headers; line && good; line = line->next)
        good = append_header(request, line->data);
    return good;
}

/* NULL overrules what libcurl was built with, which is one distribution's place. */
static bool set_certificates(CURL *easy, const struct certificates *certificates)
{
    CURLcode bad = 0;

    bad |= curl_easy_setopt(easy, CURLOPT_CAINFO, certificates->ca_file);
    bad |= curl_easy_setopt(easy, CURLOPT_CAPATH, certificates->ca_directory);
    if (certificates->client)
        bad |= curl_easy_setopt(easy, CURLOPT_SSLCERT, certificates->client);
    if (certificates->client && certificates->key)
        bad |= curl_easy_setopt(easy, CURLOPT_SSLKEY, certificates->key);
    return !bad;
}

/* A large body on a slow line is no reason to begin again. */
static long longest_ms(const struct http *http, size_t size)
{
    return http->timeout_ms ? http->timeout_ms : (long)(REQUEST_MS + size / SLOWEST * 1000);
}

static bool set_options(struct request *request, const char *url, size_t size)
{
    const struct http_server *server = &request->http->server;
    CURL *easy = request->easy;
    CURLcode bad = 0;

    bad |= curl_easy_setopt(easy, CURLOPT_URL, url);
    bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    bad |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, longest_ms(request->http, size));
    /* Of either direction. What the server has not read yet may lie in the kernel's buffers already. */
    bad |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(SILENCE_S + size / SLOWEST));
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    bad |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    bad |= curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip"); /* an answer that is shown is unpacked */
    if (server->proxy)
        bad |= curl_easy_setopt(easy, CURLOPT_PROXY, server->proxy);
    if (server->user) {
        bad |= curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        bad |= curl_easy_setopt(easy, CURLOPT_USERNAME, server->user);
        bad |= curl_easy_setopt(easy, CURLOPT_PASSWORD, server->password ? server->password : "");
    }
    return !bad;
}

int http_post(struct http *http, const struct http_request *what, http_done *done, void *context)
{
    struct request *request = calloc(1, sizeof(*request));
    char *url = NULL;
    bool good = false;

    if (!request) {
        free(what->body);
        return -ENOMEM;
    }
    *request = (struct request){
        .http = http, .body = what->body, .take = what->take, .done = done, .context = context};
    request->easy = curl_easy_init();
    if (request->easy && asprintf(&url, "%s%s", http->server.url, what->path) >= 0) {
        good = set_headers(request, what) && set_options(request, url, what->size) &&
               set_certificates(request->easy, &http->server.certificates) &&
               !curl_multi_add_handle(http->multi, request->easy);
        free(url);
    }
    if (!good) {
        request_free(request);
        return -ENOMEM;
    }
    request->next = http->requests;
    http->requests = request;
    return 0;
}

/* Asks again where the answer pointed to. libcurl would do so itself, but would take our headers to any host.
 */
static bool follow(struct request *request, int status)
{
    char *target = NULL;

    if (status < 301 || status > 308 || status == 303 || request->redirects == REDIRECTS)
        return false;
    curl_easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &target);
    if (!target || !http_server_may_follow(&request->http->server, target))
        return false;
    target = strdup(target);
    if (!target)
        return false;
    request->redirects++;
    request->kept = request->answer_size = 0;
    curl_multi_remove_handle(request->http->multi, request->easy);
    curl_easy_setopt(request->easy, CURLOPT_URL, target);
    free(target);
    return !curl_multi_add_handle(request->http->multi, request->easy);
}

/* The query and what stands before the host of a foreign URL are nobody's business in a log. */
static void show_target(struct request *request, char *text, size_t size)
{
    char *target = NULL, shown[TEXT_BYTES];

    curl_easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &target);
    target = strdup(target ? target : "nowhere");
    if (target) {
        const char *host = strstr(target, "://"), *at;
        target[strcspn(target, "?#")] = 0;
        host = host ? host + 3 : target;
        at = memrchr(host, '@', strcspn(host, "/"));
        host = request->http->server.secrets.hide_all ? "elsewhere" : at ? at + 1 : target;
        redact(&request->http->server.secrets, host, strlen(host), false, shown, sizeof(shown));
        utf8_clean(text, size, shown, true);
    }
    free(target);
}

static void show_answer(const struct request *request, long status, char *text, size_t size)
{
    const struct http *http = request->http;
    const char *answer = (const char *)request->answer;
    char explained[BODY_BYTES], shown[TEXT_BYTES];
    size_t length = request->kept;
    bool is_cut = length == BODY_BYTES;

    if (http->server.secrets.hide_all) {
        snprintf(text, size, "its answer is not shown: it could hold a part of a secret");
        return;
    }
    if (http->explain) {
        http->explain(request->answer, request->kept, explained, sizeof(explained));
        answer = explained;
        length = strlen(explained);
    }
    redact(&http->server.secrets, answer, length, is_cut, shown, sizeof(shown));
    utf8_clean(text, size, shown, true);
    if (!*text && status >= 400)
        snprintf(text, size, "without a text");
}

static void show_failure(const struct request *request, CURLcode result, char *text, size_t size)
{
    const char *error = *request->error ? request->error : curl_easy_strerror(result);
    char shown[TEXT_BYTES];

    redact(&request->http->server.secrets, error, strlen(error), false, shown, sizeof(shown));
    utf8_clean(text, size, shown, true);
}

static void finish(struct request *request, CURLcode result)
{
    struct http_answer answer = {0};
    char text[TEXT_BYTES] = "";
    curl_off_t retry_after = 0;
    long status = 0;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    /* A status that came is the answer, even if what follows it is cut, too long or broken: the server has decided,
       and would get the same request twice. 100 to 199 are no answer. */
    if (status < 200)
        status = 0;
    if (status && follow(request, (int)status))
        return;
    curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after);
    if (status >= 300 && status < 400)
        show_target(request, text, sizeof(text));
    else if (status)
        show_answer(request, status, text, sizeof(text));
    else
        show_failure(request, result, text, sizeof(text));
    answer.status = (int)status;
    answer.is_whole = result == CURLE_OK;
    answer.date_s = request->date > 0 ? request->date : 0;
    answer.retry_after_s = retry_after > 0 ? retry_after : 0;
    answer.text = text;
    request->done(request->context, &answer);
    request_free(request);
}

unsigned http_work(struct http *http, unsigned wait_ms)
{
    CURLMsg *message;
    unsigned count = 0;
    int running, left;

    if (!http->requests)
        return 0;
    curl_multi_perform(http->multi, &running);
    if (running && wait_ms && !curl_multi_poll(http->multi, NULL, 0, (int)wait_ms, NULL))
        curl_multi_perform(http->multi, &running);
    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct request *request = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        finish(request, message->data.result);
    }
    for (const struct request *request = http->requests; request; request = request->next)
        count++;
    return count;
}

const char *http_url(const struct http *http)
{
    return http->server.url;
}
