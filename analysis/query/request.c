/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)tolower((unsigned char)digit);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Percent-decoded up to the end. false: it is too long, or has characters that no query has. */
static bool decode(char to[QUERY_TEXT], const char *from, size_t length)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        char c = from[i];
        if (c == '%' && i + 2 < length && hex_digit(from[i + 1]) >= 0 && hex_digit(from[i + 2]) >= 0) {
            c = (char)(hex_digit(from[i + 1]) * 16 + hex_digit(from[i + 2]));
            i += 2;
        } else if (c == '+')
            c = ' ';
        if ((unsigned char)c < ' ' || c == 0x7f || used + 1 >= QUERY_TEXT)
            return false;
        to[used++] = c;
    }
    to[used] = '\0';
    return true;
}

/* The value of a parameter; "" if it is not there. false: it makes no sense. */
static bool parameter(char to[QUERY_TEXT], const char *query, const char *name)
{
    size_t length = strlen(name);
    bool quoted = false;

    *to = '\0';
    for (const char *at = query; *at;) {
        const char *end = at;
        /* Somebody may write a selector as it is, with an & between quotes. */
        for (quoted = false; *end && (quoted || (*end != '&' && *end != '#')); end++)
            quoted ^= *end == '"';
        if (!strncmp(at, name, length) && at[length] == '=')
            return decode(to, at + length + 1, (size_t)(end - at) - length - 1);
        at = *end == '&' ? end + 1 : end + strlen(end);
    }
    return true;
}

/* "90s", "15m", "1h", "7d" in ms; -1: it is none. */
static int64_t span_ms(const char *text)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
    char *end;
    long long count = strtoll(text, &end, 10);

    if (end == text || count < 0 || count > 1000000000)
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (*end == units[i].unit && !end[1])
            return count * units[i].ms;
    return -1;
}

/* "now", "now-1h", seconds or ms since the epoch. -1: it is none. */
static int64_t time_ms(const char *text, int64_t now_ms)
{
    char *end;
    long long time;
    int64_t span;

    if (!strncmp(text, "now", 3)) {
        if (!text[3])
            return now_ms;
        span = text[3] == '-' ? span_ms(text + 4) : -1;
        return span < 0 ? -1 : now_ms - span;
    }
    time = strtoll(text, &end, 10);
    if (end == text || *end || time <= 0)
        return -1;
    return time < 100000000000 ? (int64_t)time * 1000 : time < 100000000000000 ? time : time / 1000000;
}

static int complain(char why[QUERY_TEXT], const char *what, const char *text)
{
    snprintf(why, QUERY_TEXT, "%s%.*s", what, QUERY_TEXT / 2, text);
    return -EINVAL;
}

static void find_service(struct query_request *request)
{
    const char *at = strstr(request->selector, "service_name=\"");

    if (at) {
        at += strlen("service_name=\"");
        snprintf(request->service, QUERY_TEXT, "%.*s", (int)strcspn(at, "\""), at);
    }
}

/* The page of the server, or its older interface for pictures, is where the server is. */
static void find_server(struct query_request *request, const char *url, size_t length)
{
    static const char render[] = "/pyroscope/render";

    while (length && url[length - 1] == '/')
        length--;
    if (length > strlen(render) && !strncmp(url + length - strlen(render), render, strlen(render)))
        length -= strlen(render);
    snprintf(request->server, QUERY_TEXT, "%.*s", (int)length, url);
}

static int find_span(struct query_request *request, const char *query, int64_t now_ms, char why[QUERY_TEXT])
{
    char from[QUERY_TEXT], until[QUERY_TEXT];

    if (!parameter(from, query, "from") || !parameter(until, query, "until"))
        return complain(why, "from and until make no sense", "");
    request->from_ms = time_ms(*from ? from : "now-1h", now_ms);
    request->until_ms = time_ms(*until ? until : "now", now_ms);
    if (request->from_ms < 0)
        return complain(why, "from is a time such as now-1h, or seconds since 1970, and not ", from);
    if (request->until_ms < 0)
        return complain(why, "until is a time such as now, now-30m, or seconds since 1970, and not ", until);
    if (request->until_ms <= request->from_ms)
        return complain(why, "until is not later than from", "");
    return 0;
}

int query_parse(struct query_request *request, const char *url, int64_t now_ms, char why[QUERY_TEXT])
{
    size_t length = strcspn(url, "?");
    const char *query = url[length] ? url + length + 1 : "";
    char text[QUERY_TEXT], *brace;
    unsigned colons = 0;

    *request = (struct query_request){.from_ms = 0};
    if (strlen(url) >= QUERY_TEXT)
        return complain(why, "the URL is too long", "");
    find_server(request, url, length);
    if (!parameter(text, query, "query") || !*text)
        return complain(why, "the URL has no ?query=TYPE{service_name=\"x\"}", "");
    brace = strchr(text, '{');
    snprintf(request->selector, QUERY_TEXT, "%s", brace ? brace : "{}");
    snprintf(request->type, QUERY_TEXT, "%.*s", (int)strcspn(text, "{"), text);
    for (const char *at = request->type; *at; at++)
        colons += *at == ':';
    if (colons < 4)
        return complain(why,
                        "a type of a query is such as process_cpu:cpu:nanoseconds:cpu:nanoseconds, and not ",
                        request->type);
    find_service(request);
    return find_span(request, query, now_ms, why);
}
