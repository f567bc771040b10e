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

/* Strings are borrowed for http_new(); "" where not set. */
struct http_settings {
    const char *url; /* base; may hold a path and user:password@; http:// where it has no scheme */
    const char *token, *user, *password, *tenant;
    const char *headers; /* as in CPROF_HTTP_HEADERS */
};

/* Borrowed for the call. */
struct http_answer {
    int status;            /* 0: there was none */
    int64_t retry_after_s; /* as the server asked for, 0 where it did not */
    const char
        *text; /* one line: why there was no answer, where a redirect led to, or how the answer starts */
};

typedef void http_done(void *context, const struct http_answer *answer);

struct http;

/* NULL after it logged what is wrong. */
struct http *http_new(const struct http_settings *settings);

/* Ends what is under way without calling done(). */
void http_free(struct http *http);

/* Sends body, which is malloc'ed and taken in any case, to the base URL with path (a query included) behind
   it. done() is called once, by a later http_work(). 0 or -ENOMEM. */
int http_post(struct http *http, const char *path, const char *content_type, uint8_t *body, size_t size,
              http_done *done, void *context);

/* Does what can be done, waiting at most wait_ms for the network. Returns how many requests are under way. */
unsigned http_work(struct http *http, unsigned wait_ms);

/* The base URL, without user and password. */
const char *http_url(const struct http *http);

#endif
