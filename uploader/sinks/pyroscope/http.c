/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pairs.h"
#include "redact.h"
#include "uploader/base/utf8.h"
#include "uploader/options/log.h"
#include "uploader/options/options.h"

enum {
    CONNECT_MS = 5000,
    REQUEST_MS = 20000,
    TEXT_BYTES = 300,          /* of an answer that is kept for the log */
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
    http_done *done;
    void *context;
    char text[TEXT_BYTES];
    size_t text_size, answer_size;
    unsigned redirects;
};

struct http {
    CURLM *multi;
    char *url, *user, *password;
    struct curl_slist *headers;
    struct secrets secrets;
    struct request *requests;
};

static bool is_token(const char *text)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return *text && !text[strspn(text, token)];
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static bool add_line(struct curl_slist **list, const char *name, const char *value)
{
    struct curl_slist *longer;
    char *line;

    if (asprintf(&line, *value ? "%s: %s" : "%s;", name, value) < 0)
        return false;
    longer = curl_slist_append(*list, line);
    free(line);
    if (longer)
        *list = longer;
    return longer;
}

/* What the library says of itself stays as it is; a header that ends early would smuggle in another one. */
static void add_header(void *context, const char *name, const char *value)
{
    static const char *const ours[] = {"Content-Type", "Content-Length", "Transfer-Encoding", "Host"};
    struct http *http = context;

    for (unsigned i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        if (strcasecmp(name, ours[i]) != 0)
            continue;
        log_warn("CPROF_HTTP_HEADERS: %s cannot be set", ours[i]);
        return;
    }
    if (!is_token(name) || !is_plain(value)) {
        log_warn(
            "CPROF_HTTP_HEADERS: a name or a value has characters that no header may have; it is left out");
        return;
    }
    secrets_add_header(&http->secrets, value);
    add_line(&http->headers, name, value);
}

static void add_headers(struct http *http, const struct http_settings *settings)
{
    if (pairs_read(settings->headers, false, add_header, http))
        log_warn(
            "CPROF_HTTP_HEADERS: write name=value,name=value; a part of it is no such pair and is left out");
    if (*settings->token && is_plain(settings->token)) {
        char *bearer;
        secrets_add(&http->secrets, settings->token);
        if (asprintf(&bearer, "Bearer %s", settings->token) >= 0) {
            add_line(&http->headers, "Authorization", bearer);
            free(bearer);
        }
    } else if (*settings->token) {
        log_warn("CPROF_AUTH_TOKEN has control characters in it and is not used");
    }
    if (*settings->tenant && is_plain(settings->tenant))
        add_line(&http->headers, "X-Scope-OrgID", settings->tenant);
    else if (*settings->tenant)
        log_warn("CPROF_TENANT_ID has control characters in it and is not used");
    add_line(&http->headers, "User-Agent", "cprof/" CPROF_VERSION);
    /* Waiting for "100 Continue" is of use for large bodies only. */
    http->headers = curl_slist_append(http->headers, "Expect:");
}

/* Takes user and password out of the URL, and what is of no use to a base: query, fragment, slashes at the
 * end. */
static char *clean_url(struct http *http, CURLU *url)
{
    char *part, *text = NULL, *copy;

    if (!curl_url_get(url, CURLUPART_SCHEME, &part, 0)) {
        bool known = !strcmp(part, "http") || !strcmp(part, "https");
        curl_free(part);
        if (!known)
            return NULL;
    }
    if (!curl_url_get(url, CURLUPART_USER, &part, CURLU_URLDECODE)) {
        http->user = strdup(part);
        curl_free(part);
    }
    if (!curl_url_get(url, CURLUPART_PASSWORD, &part, CURLU_URLDECODE)) {
        http->password = strdup(part);
        curl_free(part);
    }
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(url, CURLUPART_QUERY, NULL, 0);
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    if (curl_url_get(url, CURLUPART_URL, &text, 0))
        return NULL;
    copy = strdup(text);
    curl_free(text);
    for (size_t end = copy ? strlen(copy) : 0; end && copy[end - 1] == '/'; end--)
        copy[end - 1] = 0;
    return copy;
}

static bool set_url(struct http *http, const struct http_settings *settings)
{
    CURLU *url = curl_url();
    bool good = url && strcspn(settings->url, " \t\r\n") == strlen(settings->url) &&
                !curl_url_set(url, CURLUPART_URL, settings->url,
                              strstr(settings->url, "://") ? CURLU_NON_SUPPORT_SCHEME : CURLU_DEFAULT_SCHEME);

    /* localhost:4040 has no scheme, and CURLU_DEFAULT_SCHEME means https. */
    if (good && !strstr(settings->url, "://"))
        curl_url_set(url, CURLUPART_SCHEME, "http", 0);
    if (good)
        http->url = clean_url(http, url);
    curl_url_cleanup(url);
    if (!http->url)
        log_warn("CPROF_SERVER is no http:// or https:// URL; nothing is pushed");
    return http->url;
}

struct http *http_new(const struct http_settings *settings)
{
    struct http *http = calloc(1, sizeof(*http));

    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) || !set_url(http, settings)) {
        http_free(http);
        return NULL;
    }
    if (*settings->user || *settings->password) {
        free(http->user);
        free(http->password);
        http->user = strdup(settings->user);
        http->password = strdup(settings->password);
    }
    if (http->password)
        secrets_add_login(&http->secrets, http->user, http->password);
    secrets_add_proxies(&http->secrets);
    add_headers(http, settings);
    http->multi = curl_multi_init();
    if (!http->multi) {
        http_free(http);
        return NULL;
    }
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
    curl_slist_free_all(http->headers);
    secrets_free(&http->secrets);
    free(http->url);
    free(http->user);
    free(http->password);
    free(http);
}

static size_t take_answer(char *data, size_t unit, size_t count, void *context)
{
    struct request *request = context;
    size_t size = unit * count, room = TEXT_BYTES - 1 - request->text_size;

    if (room > size)
        room = size;
    memcpy(request->text + request->text_size, data, room);
    request->text_size += room;
    request->answer_size += size;
    return request->answer_size > ANSWER_BYTES ? 0 : size; /* 0 ends the transfer */
}

static size_t take_header(char *data, size_t unit, size_t count, void *context)
{
    struct request *request = context;

    (void)data;
    request->answer_size += unit * count;
    return request->answer_size > ANSWER_BYTES ? 0 : unit * count;
}

static bool set_headers(struct request *request, const char *content_type)
{
    bool good = add_line(&request->headers, "Content-Type", content_type);

    for (const struct curl_slist *line = request->http->headers; line && good; line = line->next) {
        struct curl_slist *longer = curl_slist_append(request->headers, line->data);
        good = longer;
        if (longer)
            request->headers = longer;
    }
    return good;
}

static bool set_options(struct request *request, const char *url, size_t size)
{
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
    bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)REQUEST_MS);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    if (request->http->user) {
        bad |= curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        bad |= curl_easy_setopt(easy, CURLOPT_USERNAME, request->http->user);
        bad |=
            curl_easy_setopt(easy, CURLOPT_PASSWORD, request->http->password ? request->http->password : "");
    }
    return !bad;
}

int http_post(struct http *http, const char *path, const char *content_type, uint8_t *body, size_t size,
              http_done *done, void *context)
{
    struct request *request = calloc(1, sizeof(*request));
    char *url = NULL;
    bool good = false;

    if (!request) {
        free(body);
        return -ENOMEM;
    }
    *request = (struct request){.http = http, .body = body, .done = done, .context = context};
    request->easy = curl_easy_init();
    if (request->easy && asprintf(&url, "%s%s", http->url, path) >= 0) {
        good = set_headers(request, content_type) && set_options(request, url, size) &&
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

static bool same_part(CURLU *left, CURLU *right, CURLUPart part)
{
    char *a = NULL, *b = NULL;
    bool same = !curl_url_get(left, part, &a, CURLU_DEFAULT_PORT) &&
                !curl_url_get(right, part, &b, CURLU_DEFAULT_PORT) && !strcasecmp(a, b);

    curl_free(a);
    curl_free(b);
    return same;
}

static bool is_scheme_and_port(CURLU *url, const char *scheme, const char *port)
{
    char *a = NULL, *b = NULL;
    bool is = !curl_url_get(url, CURLUPART_SCHEME, &a, 0) &&
              !curl_url_get(url, CURLUPART_PORT, &b, CURLU_DEFAULT_PORT) && !strcmp(a, scheme) &&
              !strcmp(b, port);

    curl_free(a);
    curl_free(b);
    return is;
}

/* The same host, and the same port and scheme or the step from plain to encrypted on their usual ports. */
static bool may_follow(const struct http *http, const char *target)
{
    CURLU *from = curl_url(), *to = curl_url();
    bool may = from && to && !curl_url_set(from, CURLUPART_URL, http->url, 0) &&
               !curl_url_set(to, CURLUPART_URL, target, 0) && same_part(from, to, CURLUPART_HOST) &&
               ((same_part(from, to, CURLUPART_SCHEME) && same_part(from, to, CURLUPART_PORT)) ||
                (is_scheme_and_port(from, "http", "80") && is_scheme_and_port(to, "https", "443")));

    curl_url_cleanup(from);
    curl_url_cleanup(to);
    return may;
}

/* Asks again where the answer pointed to. libcurl would do so itself, but would take our headers to any host.
 */
static bool follow(struct request *request, int status)
{
    char *target = NULL;

    if (status < 301 || status > 308 || status == 303 || request->redirects == REDIRECTS)
        return false;
    curl_easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &target);
    if (!target || !may_follow(request->http, target))
        return false;
    target = strdup(target);
    if (!target)
        return false;
    request->redirects++;
    request->text_size = request->answer_size = 0;
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
        host = request->http->secrets.hide_all ? "elsewhere" : at ? at + 1 : target;
        redact(&request->http->secrets, host, strlen(host), false, shown, sizeof(shown));
        utf8_clean(text, size, shown, true);
    }
    free(target);
}

static void show_answer(const struct request *request, char *text, size_t size)
{
    const struct http *http = request->http;
    bool is_cut = request->text_size == TEXT_BYTES - 1;
    char shown[TEXT_BYTES];

    if (http->secrets.hide_all)
        snprintf(text, size, "its answer is not shown: it could hold a part of a secret");
    else {
        redact(&http->secrets, request->text, request->text_size, is_cut, shown, sizeof(shown));
        utf8_clean(text, size, shown, true);
    }
}

static void finish(struct request *request, CURLcode result)
{
    struct http_answer answer = {0};
    char text[TEXT_BYTES] = "";
    curl_off_t retry_after = 0;
    long status = 0;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    /* A status that came is the answer, even if its text was too long. */
    if (result && result != CURLE_WRITE_ERROR)
        status = 0;
    if (status && follow(request, (int)status))
        return;
    curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after);
    request->text[request->text_size] = 0;
    if (status >= 300 && status < 400)
        show_target(request, text, sizeof(text));
    else if (status)
        show_answer(request, text, sizeof(text));
    else
        utf8_clean(text, sizeof(text), curl_easy_strerror(result), true);
    answer.status = (int)status;
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
    return http->url;
}
