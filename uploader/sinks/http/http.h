/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST requests to one server, without ever waiting for it but in http_work(). libcurl underneath; TLS
 * certificates are checked. One thread only.
 *
 * Secrets leave in the headers of requests to the configured host and nowhere else. Redirects are followed
 * to that host only (http to https included). Every text that comes out of here for people is redacted.
 */
#ifndef CPROF_UPLOADER_HTTP_H
#define CPROF_UPLOADER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_settings; /* of http_server.h */

/* A part of the body of an answer with status 200. false: no more is wanted, and the transfer ends. */
typedef bool http_take(void *context, const uint8_t *data, size_t size);

struct http_request {
    const char *path; /* behind the base URL; may hold a query */
    const char *content_type;
    const char *content_encoding; /* NULL: none */
    uint8_t *body;                /* malloc'ed */
    size_t size;
    http_take
        *take; /* gets the answer, with the context of done(); NULL: only its beginning is kept, for people */
};

/* Borrowed for the call. */
struct http_answer {
    int status;            /* 0: there was none */
    bool is_whole;         /* it came to its end */
    int64_t retry_after_s; /* as the server asked for, 0 where it did not */
    int64_t date_s;        /* the server's clock, in seconds since 1970; 0 where it did not tell */
    const char
        *text; /* one line: why there was no answer, where a redirect led to, or how the answer starts */
};

typedef void http_done(void *context, const struct http_answer *answer);

struct http;

/* NULL after it logged what is wrong. */
struct http *http_new(const struct http_settings *settings);

/* Ends what is under way without calling done(). */
void http_free(struct http *http);

/* Sends a request, whose body is taken in any case. done() is called once, by a later http_work(). 0 or -ENOMEM. */
int http_post(struct http *http, const struct http_request *what, http_done *done, void *context);

/* Does what can be done, waiting at most wait_ms for the network. Returns how many requests are under way. */
unsigned http_work(struct http *http, unsigned wait_ms);

/* The base URL, without user and password. */
const char *http_url(const struct http *http);

#endif
