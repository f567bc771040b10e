/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_server.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/otlp/body.h"
#include "uploader/otlp/otlp.pb-c.h"
#include "uploader/otlp/split_otlp.h"

enum { TIMEOUT_LEAST_MS = 100, TIMEOUT_MOST_MS = 600 * 1000 };

/* The protocol's own rules: of errors inside a server, only these pass. */
static const struct outbox_status differs[] = {
    {408, 408, OUTBOX_REFUSED}, {500, 501, OUTBOX_REFUSED}, {505, 599, OUTBOX_REFUSED}, {0}};

/* --- answers --- */

static bool explain_response(const uint8_t *answer, size_t size, char *text, size_t room)
{
    Cprof__Otlp__Response *response = cprof__otlp__response__unpack(NULL, size, answer);
    const Cprof__Otlp__PartialSuccess *part = response ? response->partial_success : NULL;
    /* Some plain texts can be decoded, too: as fields that are not known. */
    const bool is_one = response && (part || !response->base.n_unknown_fields);

    if (part && part->rejected_profiles > 0)
        snprintf(text, room, "%" PRId64 " profiles were rejected: %s", part->rejected_profiles,
                 part->error_message ? part->error_message : "no reason is given");
    else if (part && part->error_message && *part->error_message)
        snprintf(text, room, "%s", part->error_message);
    if (response)
        cprof__otlp__response__free_unpacked(response, NULL);
    return is_one;
}

static bool explain_status(const uint8_t *answer, size_t size, char *text, size_t room)
{
    Cprof__Otlp__Status *status = cprof__otlp__status__unpack(NULL, size, answer);
    bool is_one = status && status->message;

    if (is_one)
        snprintf(text, room, "%s", status->message);
    if (status)
        cprof__otlp__status__free_unpacked(status, NULL);
    return is_one;
}

/* Proxies, and Pyroscope, answer in plain text. */
void otlp_explain(const uint8_t *answer, size_t size, char *text, size_t room)
{
    *text = 0;
    if (!size || explain_response(answer, size, text, room) || explain_status(answer, size, text, room) ||
        !isprint(answer[0]))
        return;
    if (size >= room)
        size = room - 1;
    memcpy(text, answer, size);
    text[size] = 0;
}

/* --- bodies that are too large --- */

struct packing {
    outbox_piece *piece;
    void *context;
    bool compressed;
};

static int pass_piece(void *context, uint8_t *data, size_t size)
{
    const struct packing *packing = context;
    uint8_t *packed;
    int error;

    if (!packing->compressed)
        return packing->piece(packing->context, data, size);
    error = body_pack(data, size, &packed, &size);
    free(data);
    return error ? error : packing->piece(packing->context, packed, size);
}

int otlp_split_body(const uint8_t *body, size_t size, outbox_piece *piece, void *context)
{
    struct packing packing = {piece, context, body_is_packed(body, size)};
    uint8_t *data = NULL;
    int error;

    if (!packing.compressed)
        return otlp_split(body, size, pass_piece, &packing);
    error = body_unpack(body, size, &data, &size);
    if (!error)
        error = otlp_split(data, size, pass_piece, &packing);
    free(data);
    return error;
}

/* --- settings --- */

static const char *text_of(const struct options *options, enum setting setting)
{
    return options->settings.value[setting].text;
}

/* The port of a URL, or "". */
static bool has_port(const char *url, const char *port)
{
    const char *host = strstr(url, "://"), *end, *at;
    size_t length = strlen(port);

    host = host ? host + 3 : url;
    end = host + strcspn(host, "/?#");
    at = memrchr(host, '@', (size_t)(end - host));
    host = at ? at + 1 : host;
    return (size_t)(end - host) > length && end[-(ptrdiff_t)length - 1] == ':' &&
           !strncmp(end - length, port, length);
}

/* SDKs of the program itself may be set to gRPC by the same variables. */
static bool is_spoken(const struct options *options, bool is_general)
{
    const char *protocol = text_of(options, SETTING_OTLP_PROTOCOL);

    if (strcmp(protocol, "http/protobuf") != 0 && strcmp(protocol, "http/json") != 0) {
        log_warn("OTEL_EXPORTER_OTLP_PROTOCOL is %.40s, and cprof sends OTLP profiles by http/protobuf only, "
                 "so none are "
                 "sent; set OTEL_EXPORTER_OTLP_PROFILES_PROTOCOL and _PROFILES_ENDPOINT",
                 protocol);
        return false;
    }
    if (strcmp(protocol, "http/protobuf") != 0)
        log_warn("OTEL_EXPORTER_OTLP_PROTOCOL is http/json, and cprof sends OTLP profiles by http/protobuf");
    if (is_general && has_port(text_of(options, SETTING_OTLP_ENDPOINT), "4317")) {
        log_warn("OTEL_EXPORTER_OTLP_ENDPOINT has gRPC's port 4317, and cprof sends OTLP profiles by HTTP, "
                 "so none are "
                 "sent; set OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT=http://HOST:4318/v1development/profiles");
        return false;
    }
    if (!is_general && has_port(text_of(options, SETTING_OTLP_PROFILES), "4317"))
        log_warn("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT has port 4317, which usually is gRPC's; OTLP profiles "
                 "are sent by "
                 "HTTP, usually to port 4318");
    return true;
}

static bool is_compressed(const struct options *options)
{
    const char *compression = text_of(options, SETTING_OTLP_COMPRESSION);

    if (strcmp(compression, "gzip") != 0 && strcmp(compression, "none") != 0)
        log_warn("OTEL_EXPORTER_OTLP_COMPRESSION=%.40s is neither gzip nor none; gzip is used", compression);
    return strcmp(compression, "none") != 0;
}

static unsigned timeout_of(const struct options *options)
{
    uint64_t ms = options->settings.value[SETTING_OTLP_TIMEOUT].number / MS_NS;

    return ms < TIMEOUT_LEAST_MS ? TIMEOUT_LEAST_MS : ms > TIMEOUT_MOST_MS ? TIMEOUT_MOST_MS : (unsigned)ms;
}

bool otlp_server_read(struct otlp_server *server, const struct options *options)
{
    const char *own = text_of(options, SETTING_OTLP_PROFILES),
               *general = text_of(options, SETTING_OTLP_ENDPOINT);

    *server = (struct otlp_server){.is_general = !*own};
    if ((!*own && !*general) || !is_spoken(options, server->is_general))
        return false;
    server->compressed = is_compressed(options);
    server->http = (struct http_settings){
        .url = *own ? own : general,
        .url_name = *own ? "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT" : "OTEL_EXPORTER_OTLP_ENDPOINT",
        .token = "",
        .user = "",
        .password = "",
        .tenant = "",
        .headers = text_of(options, SETTING_OTLP_HEADERS),
        .headers_name = "OTEL_EXPORTER_OTLP_HEADERS",
        .headers_percent = true,
        .ca_file = text_of(options, SETTING_OTLP_CA_FILE),
        .client_cert = text_of(options, SETTING_OTLP_CLIENT_CERT),
        .client_key = text_of(options, SETTING_OTLP_CLIENT_KEY),
        .proxy = text_of(options, SETTING_PROXY),
        .timeout_ms = timeout_of(options),
        .explain = otlp_explain,
    };
    server->kind = (struct outbox_kind){
        .name = "otlp",
        .server = "receiver of OTLP profiles",
        .login = "OTEL_EXPORTER_OTLP_HEADERS",
        .path = *own ? "" : "/v1development/profiles",
        .content_type = "application/x-protobuf",
        .content_encoding = server->compressed ? "gzip" : NULL,
        .differs = differs,
        .is_always_there = true,
        .split = otlp_split_body,
    };
    return true;
}
