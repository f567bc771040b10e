/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"

enum { REASON_BYTES = 512 };

struct web_request {
    struct web *web;
    struct MHD_Connection *mhd;
    struct connection *connection;
    const struct web_page *page;
    char *uri;        /* as it came */
    const char *path; /* behind the page's path */
    bool has_headers; /* they were looked at */
    bool is_post, is_clean;
    char *body;
    size_t size, room;
    struct address client;
    struct MHD_Response *response; /* ready to be queued */
    unsigned status;
    struct web_wait wait;             /* done: NULL if it does not wait */
    struct web_request *next, **link; /* of those that wait */
};

/* An answer on its way, whose memory is counted. */
struct answer {
    struct web *web;
    char *data;
    size_t size;
};

bool request_uri_is_clean(const char *uri)
{
    for (const char *c = uri; *c; c++) {
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            return false;
        if (*c == '%' &&
            (!isxdigit((unsigned char)c[1]) || !isxdigit((unsigned char)c[2]) || !strncmp(c + 1, "00", 2)))
            return false;
    }
    return true;
}

void *request_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct web_request *request = calloc(1, sizeof *request);

    if (!request || !(request->uri = strdup(uri))) {
        free(request);
        return NULL;
    }
    request->web = cls;
    request->mhd = connection;
    request->connection = connection_of(connection);
    request->is_clean = strlen(uri) <= WEB_URI_BYTES && request_uri_is_clean(uri);
    return request;
}

/* ---- Answers ---- */

static void answer_free(void *cls)
{
    struct answer *answer = cls;

    answer->web->counts.bytes -= answer->size;
    free(answer->data);
    free(answer);
}

/* Takes over data, NULL if there was no memory for it. NULL: no memory. */
static struct MHD_Response *make_response(struct web *web, char *data, size_t size)
{
    struct answer *answer = data ? malloc(sizeof *answer) : NULL;
    struct MHD_Response *response =
        answer ? MHD_create_response_from_buffer_with_free_callback_cls(size, data, answer_free, answer)
               : NULL;

    if (!response) {
        free(answer);
        free(data);
        return NULL;
    }
    *answer = (struct answer){web, data, size};
    web->counts.bytes += size;
    return response;
}

/* For those that wait, the library is told to go on. */
static void set_response(struct web_request *request, unsigned status, struct MHD_Response *response)
{
    if (request->response)
        MHD_destroy_response(request->response);
    request->response = response;
    request->status = status;
}

static void put_header(struct web_request *request, const char *name, const char *value)
{
    MHD_add_response_header(request->response, name, value);
}

void web_refuse(struct web_request *request, unsigned status, const char *format, ...)
{
    char text[REASON_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    strcat(text, "\n");
    set_response(request, status, make_response(request->web, strdup(text), strlen(text)));
    if (!request->response)
        return;
    put_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
    put_header(request, "X-Content-Type-Options", "nosniff");
    put_header(request, "X-Go-Pprof", "1"); /* go tool pprof shows the text then */
}

static void refuse_for_now(struct web_request *request, unsigned status, unsigned seconds, const char *reason)
{
    char text[16];

    web_refuse(request, status, "%s", reason);
    snprintf(text, sizeof text, "%u", seconds);
    if (request->response)
        put_header(request, MHD_HTTP_HEADER_RETRY_AFTER, text);
}

/* A page may load nothing from anywhere, ask this server alone, and be shown in no other page. Its address may have a token. */
static void put_page_headers(struct web_request *request)
{
    put_header(request, "Content-Security-Policy",
               "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
               "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    put_header(request, "Referrer-Policy", "no-referrer");
    put_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

void web_reply(struct web_request *request, const struct web_reply *reply)
{
    char disposition[128];

    if (request->web->counts.bytes + reply->size > WEB_ANSWER_BYTES && request->web->counts.bytes) {
        connections_cut_slowest(request->web);
        free(reply->data);
        refuse_for_now(request, MHD_HTTP_SERVICE_UNAVAILABLE, 1, "too many answers are being sent");
        return;
    }
    set_response(request, reply->status ? reply->status : MHD_HTTP_OK,
                 make_response(request->web, reply->data, reply->size));
    if (!request->response)
        return;
    if (reply->type)
        put_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    put_header(request, "X-Content-Type-Options", "nosniff");
    if (reply->type && !strncmp(reply->type, "text/html", 9))
        put_page_headers(request);
    if (reply->location)
        put_header(request, MHD_HTTP_HEADER_LOCATION, reply->location);
    if (!reply->filename)
        return;
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"", reply->filename);
    put_header(request, MHD_HTTP_HEADER_CONTENT_DISPOSITION, disposition);
}

/* Without an answer, for want of memory, the connection is closed. */
static enum MHD_Result queue(struct web_request *request)
{
    enum MHD_Result result;

    connection_set(request->connection, CONNECTION_SERVED);
    request->web->counts.requests++;
    if (!request->response)
        return MHD_NO;
    if (request->web->is_ending)
        put_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
    result = MHD_queue_response(request->mhd, request->status, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return result;
}

/* ---- Who may ask, and what ---- */

static bool has_access(struct web_request *request)
{
    struct web *web = request->web;
    const char *reason;
    unsigned status, seconds;

    status =
        access_check_place(&web->access, request->mhd, &request->connection->peer, &request->client, &reason);
    if (status) {
        web->counts.refused++;
        web_refuse(request, status, "%s", reason);
        return false;
    }
    if ((request->page && request->page->is_open) || access_has_token(&web->access, request->mhd))
        return true;
    seconds = rate_take(&web->wrong, &request->client, monotonic_ns());
    if (seconds) {
        web->counts.limited++;
        refuse_for_now(request, MHD_HTTP_TOO_MANY_REQUESTS, seconds, "too many wrong tokens");
        return false;
    }
    web->counts.unauthorized++;
    web_refuse(
        request, MHD_HTTP_UNAUTHORIZED,
        "the token of CPROF_LISTEN_TOKEN is needed: X-Pprof-Token, Authorization: Bearer, or as a password");
    if (request->response)
        put_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"cprof\", charset=\"UTF-8\"");
    return false;
}

static bool is_below(const char *url, const struct web_page *page)
{
    size_t length = strlen(page->path);
    return length > 1 && page->path[length - 1] == '/' ? !strncmp(url, page->path, length)
                                                       : !strcmp(url, page->path);
}

static const struct web_page *find_page(const struct web *web, const char *url)
{
    const struct web_page *found = NULL;

    for (unsigned i = 0; i < web->pages; i++)
        if (is_below(url, &web->page[i]) && (!found || strlen(web->page[i].path) > strlen(found->path)))
            found = &web->page[i];
    return found;
}

static bool has_page(struct web_request *request, const char *method)
{
    unsigned methods = request->page && request->page->methods ? request->page->methods : WEB_GET;
    bool is_get = !strcmp(method, "GET") || !strcmp(method, "HEAD");

    request->is_post = !strcmp(method, "POST");
    if (!request->page) {
        web_refuse(request, MHD_HTTP_NOT_FOUND, "404 page not found");
        return false;
    }
    if ((is_get && methods & WEB_GET) || (request->is_post && methods & WEB_POST))
        return true;
    web_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed");
    if (request->response)
        put_header(request, MHD_HTTP_HEADER_ALLOW, methods & WEB_POST ? "GET, HEAD, POST" : "GET, HEAD");
    return false;
}

static bool is_in_time(struct web_request *request)
{
    struct web *web = request->web;
    int64_t now_ns = monotonic_ns();
    unsigned seconds = 0;

    if (!request->page->is_unlimited) {
        seconds = rate_take_one(&web->rate, &request->connection->credit, now_ns);
        if (!seconds)
            seconds = rate_take(&web->rate, &request->client, now_ns);
    }
    if (!seconds)
        return true;
    web->counts.limited++;
    refuse_for_now(request, MHD_HTTP_TOO_MANY_REQUESTS, seconds, "too many requests, see CPROF_LISTEN_RATE");
    if (request->response)
        put_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
    return false;
}

/* false: it is answered already. */
static bool may_ask(struct web_request *request, const char *url, const char *method)
{
    if (!request->is_clean) {
        web_refuse(request, MHD_HTTP_BAD_REQUEST,
                   "the path or the query has bytes or %%-codes that are not allowed");
        return false;
    }
    request->page = find_page(request->web, url);
    if (!has_access(request) || !has_page(request, method))
        return false;
    request->path = url + strlen(request->page->path);
    return is_in_time(request);
}

/* ---- The body ---- */

static bool take_body(struct web_request *request, const char *data, size_t size)
{
    if (request->size + size > WEB_BODY_BYTES)
        return false;
    if (request->size + size + 1 > request->room) {
        size_t room = 2 * (request->size + size + 1);
        char *grown = realloc(request->body, room);
        if (!grown)
            return false;
        request->body = grown;
        request->room = room;
    }
    memcpy(request->body + request->size, data, size);
    request->size += size;
    request->body[request->size] = 0;
    return true;
}

static void serve(struct web_request *request)
{
    int64_t cost_ns = -clock_ns(CLOCK_THREAD_CPUTIME_ID);

    request->page->serve(request, request->page->context);
    cost_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!request->page->is_unlimited)
        rate_charge(&request->web->rate, &request->client, cost_ns,
                    request->response && request->status >= 400);
}

enum MHD_Result request_handle(void *web, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **state)
{
    struct web_request *request = *state;

    (void)web, (void)version;
    if (!request || !request->connection)
        return MHD_NO;
    if (request->response) /* it has waited */
        return queue(request);
    if (!request->has_headers) {
        request->has_headers = true;
        return may_ask(request, url, method) ? MHD_YES : queue(request);
    }
    if (*size) {
        if (!take_body(request, data, *size))
            return MHD_NO;
        *size = 0;
        return MHD_YES;
    }
    request->path = url + strlen(request->page->path);
    serve(request);
    if (!request->wait.done)
        return queue(request);
    connection_set(request->connection, CONNECTION_WAITING);
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

/* ---- Later ---- */

void web_wait(struct web_request *request, const struct web_wait *wait)
{
    struct web *web = request->web;

    if (web->counts.waiting == WEB_WAITS || web->is_ending) {
        wait->cancel(wait->state);
        refuse_for_now(request, MHD_HTTP_SERVICE_UNAVAILABLE, 5, "too many requests are waiting");
        return;
    }
    request->wait = *wait;
    request->next = web->waits;
    request->link = &web->waits;
    if (request->next)
        request->next->link = &request->next;
    web->waits = request;
    web->counts.waiting++;
}

/* From here on it does not wait. */
static struct web_wait take_wait(struct web_request *request)
{
    struct web_wait wait = request->wait;

    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
    request->web->counts.waiting--;
    request->wait = (struct web_wait){0};
    return wait;
}

static void resume(struct web_request *request)
{
    request->web->is_resumed = true;
    MHD_resume_connection(request->mhd);
}

static void answer(struct web_request *request)
{
    struct web_wait wait = take_wait(request);
    int64_t cost_ns = -clock_ns(CLOCK_THREAD_CPUTIME_ID);

    wait.done(request, wait.state);
    cost_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
    rate_charge(&request->web->rate, &request->client, cost_ns, false);
    if (!request->response)
        web_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
    resume(request);
}

int64_t requests_answer(struct web *web, int64_t now_ns, bool all)
{
    int64_t next_ns = INT64_MAX;
    struct web_request *next;

    for (struct web_request *request = web->waits; request; request = next) {
        next = request->next;
        if (all || request->wait.until_ns <= now_ns)
            answer(request);
        else if (request->wait.until_ns < next_ns)
            next_ns = request->wait.until_ns;
    }
    return next_ns;
}

void requests_drop_gone(struct web *web)
{
    struct web_request *next;

    for (struct web_request *request = web->waits; request; request = next) {
        struct web_wait wait;
        next = request->next;
        if (!connection_is_gone(request->connection))
            continue;
        wait = take_wait(request);
        wait.cancel(wait.state);
        web_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "nobody waits for this");
        resume(request);
    }
}

void request_end(void *cls, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode code)
{
    struct web_request *request = *state;

    (void)cls, (void)mhd, (void)code;
    if (!request)
        return;
    if (request->wait.done) {
        struct web_wait wait = take_wait(request);
        wait.cancel(wait.state);
    }
    connection_set(request->connection, CONNECTION_IDLE);
    if (request->response)
        MHD_destroy_response(request->response);
    free(request->body);
    free(request->uri);
    free(request);
    *state = NULL;
}

/* ---- For pages ---- */

const char *web_path(const struct web_request *request)
{
    return request->path;
}

const char *web_query(const struct web_request *request)
{
    const char *query = strchr(request->uri, '?');
    return query ? query : "";
}

const char *web_argument(struct web_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name);
}

bool web_is_post(const struct web_request *request)
{
    return request->is_post;
}

const char *web_body(const struct web_request *request, size_t *size)
{
    *size = request->size;
    return request->body ? request->body : "";
}
