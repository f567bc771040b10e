/* SPDX-License-Identifier: Apache-2.0 */
#include "http_server.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pairs.h"
#include "uploader/options/log.h"
#include "uploader/options/options.h"

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
    static const char *const ours[] = {"Content-Type", "Content-Encoding", "Content-Length",
                                       "Transfer-Encoding", "Host"};
    struct http_server *server = context;

    for (unsigned i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        if (strcasecmp(name, ours[i]) != 0)
            continue;
        log_failure("%s: %s cannot be set", server->headers_name, ours[i]);
        return;
    }
    if (!is_token(name) || !is_plain(value)) {
        log_failure("%s: a name or a value has characters that no header may have; it is left out",
                    server->headers_name);
        return;
    }
    secrets_add_header(&server->secrets, value);
    add_line(&server->headers, name, value);
}

static void add_headers(struct http_server *server, const struct http_settings *settings)
{
    if (pairs_read(settings->headers, settings->headers_percent, add_header, server))
        log_failure("%s: write name=value,name=value; a part of it is no such pair and is left out",
                    settings->headers_name);
    if (*settings->token && is_plain(settings->token)) {
        char *bearer;
        secrets_add(&server->secrets, settings->token);
        if (asprintf(&bearer, "Bearer %s", settings->token) >= 0) {
            add_line(&server->headers, "Authorization", bearer);
            free(bearer);
        }
    } else if (*settings->token) {
        log_failure("CPROF_AUTH_TOKEN has control characters in it and is not used");
    }
    if (*settings->tenant && is_plain(settings->tenant))
        add_line(&server->headers, "X-Scope-OrgID", settings->tenant);
    else if (*settings->tenant)
        log_failure("CPROF_TENANT_ID has control characters in it and is not used");
    add_line(&server->headers, "User-Agent", "cprof/" CPROF_VERSION);
    /* Waiting for "100 Continue" is of use for large bodies only. No Accept means any type. */
    server->headers = curl_slist_append(server->headers, "Expect:");
    server->headers = curl_slist_append(server->headers, "Accept:");
}

/* Takes user and password out of the URL, and what is of no use to a base: query, fragment, slashes at the
 * end. */
static char *clean_url(struct http_server *server, CURLU *url)
{
    char *part, *text = NULL, *copy;

    if (!curl_url_get(url, CURLUPART_SCHEME, &part, 0)) {
        bool known = !strcmp(part, "http") || !strcmp(part, "https");
        curl_free(part);
        if (!known)
            return NULL;
    }
    if (!curl_url_get(url, CURLUPART_USER, &part, CURLU_URLDECODE)) {
        server->user = strdup(part);
        curl_free(part);
    }
    if (!curl_url_get(url, CURLUPART_PASSWORD, &part, CURLU_URLDECODE)) {
        server->password = strdup(part);
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

static bool set_url(struct http_server *server, const struct http_settings *settings)
{
    CURLU *url = curl_url();
    bool good = url && strcspn(settings->url, " \t\r\n") == strlen(settings->url) &&
                !curl_url_set(url, CURLUPART_URL, settings->url,
                              strstr(settings->url, "://") ? CURLU_NON_SUPPORT_SCHEME : CURLU_DEFAULT_SCHEME);

    /* localhost:4040 has no scheme, and CURLU_DEFAULT_SCHEME means https. */
    if (good && !strstr(settings->url, "://"))
        curl_url_set(url, CURLUPART_SCHEME, "http", 0);
    if (good)
        server->url = clean_url(server, url);
    curl_url_cleanup(url);
    if (!server->url)
        log_failure("%s is no http:// or https:// URL; nothing is sent to it", settings->url_name);
    return server->url;
}

/* libcurl knows the variables in small letters, and HTTPS_PROXY, ALL_PROXY and NO_PROXY in capital ones. HTTP_PROXY could
   be a header of a request to a CGI program, which has REQUEST_METHOD. */
static void choose_proxy(struct http_server *server, const char *proxy)
{
    if ((!proxy || !*proxy) && !strncasecmp(server->url, "http:", 5) && !getenv("http_proxy") &&
        !getenv("REQUEST_METHOD"))
        proxy = getenv("HTTP_PROXY");
    if (!proxy || !*proxy)
        return;
    server->proxy = strdup(proxy);
    secrets_add_proxy(&server->secrets, proxy);
}

bool http_server_open(struct http_server *server, const struct http_settings *settings)
{
    *server = (struct http_server){.headers_name = settings->headers_name};
    if (!set_url(server, settings))
        return false;
    if (*settings->user || *settings->password) {
        free(server->user);
        free(server->password);
        server->user = strdup(settings->user);
        server->password = strdup(settings->password);
    }
    if (server->password)
        secrets_add_login(&server->secrets, server->user, server->password);
    secrets_add_proxies(&server->secrets);
    choose_proxy(server, settings->proxy);
    add_headers(server, settings);
    certificates_find(&server->certificates, settings->ca_file, settings->client_cert, settings->client_key,
                      !strncasecmp(server->url, "https:", 6));
    return true;
}

void http_server_close(struct http_server *server)
{
    curl_slist_free_all(server->headers);
    secrets_free(&server->secrets);
    certificates_free(&server->certificates);
    free(server->url);
    free(server->user);
    free(server->password);
    free(server->proxy);
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
bool http_server_may_follow(const struct http_server *server, const char *target)
{
    CURLU *from = curl_url(), *to = curl_url();
    bool may = from && to && !curl_url_set(from, CURLUPART_URL, server->url, 0) &&
               !curl_url_set(to, CURLUPART_URL, target, 0) && same_part(from, to, CURLUPART_HOST) &&
               ((same_part(from, to, CURLUPART_SCHEME) && same_part(from, to, CURLUPART_PORT)) ||
                (is_scheme_and_port(from, "http", "80") && is_scheme_and_port(to, "https", "443")));

    curl_url_cleanup(from);
    curl_url_cleanup(to);
    return may;
}
