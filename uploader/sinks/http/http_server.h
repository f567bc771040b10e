/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server that requests go to: its URL, the headers and the login that go with each request, and the
 * certificates. Texts of settings are checked here. One thread only.
 */
#ifndef CPROF_UPLOADER_HTTP_SERVER_H
#define CPROF_UPLOADER_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certificates.h"
#include "redact.h"

struct curl_slist;

/* Writes what an answer says for people, with a NUL; for answers that are not text. The bytes are the server's. */
typedef void http_explain(const uint8_t *answer, size_t size, char *text, size_t room);

/* Strings are borrowed for the call, the names for ever; "" where not set. */
struct http_settings {
    const char *url;      /* base; may hold a path and user:password@; http:// where it has no scheme */
    const char *url_name; /* the variable that named it, for messages: "CPROF_SERVER" */
    const char *token, *user, *password, *tenant;
    const char *headers;      /* "name=value,name=value" */
    const char *headers_name; /* the variable that named them, for messages: "CPROF_HTTP_HEADERS" */
    bool headers_percent;     /* their values are percent-encoded, as OTEL_EXPORTER_OTLP_HEADERS has them */
    const char *ca_file, *client_cert, *client_key;
    const char *proxy;     /* NULL or "": as the environment says */
    unsigned timeout_ms;   /* of a request; 0: the usual one */
    http_explain *explain; /* NULL: answers are text */
};

struct http_server {
    char *url; /* without user, password, query and a slash at its end */
    const char *headers_name;
    char *user, *password;      /* NULL: none */
    char *proxy;                /* NULL: as libcurl finds it in the environment */
    struct curl_slist *headers; /* of every request */
    struct secrets secrets;
    struct certificates certificates;
};

/* false after it logged what is wrong with the URL. To be closed in any case. */
bool http_server_open(struct http_server *server, const struct http_settings *settings);
void http_server_close(struct http_server *server);

/* A redirection to target leads to the same host, and to the same port and scheme or from plain to encrypted on
   their usual ports. */
bool http_server_may_follow(const struct http_server *server, const char *target);

#endif
