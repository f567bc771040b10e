/* SPDX-License-Identifier: Apache-2.0 */
#include "pyroscope_server.h"

#include "split_push.h"
#include "uploader/base/clock.h"

const struct outbox_kind pyroscope_server_kind = {
    .name = "pyroscope",
    .server = "Pyroscope server (1.0 or later)",
    .login = "CPROF_AUTH_TOKEN, or CPROF_BASIC_AUTH_USER and CPROF_BASIC_AUTH_PASSWORD, or CPROF_TENANT_ID",
    .path = "/push.v1.PusherService/Push",
    .content_type = "application/proto",
    .window_ns = 3600 * SECOND_NS,
    .is_too_large = push_is_too_large,
    .split = push_split,
};

bool pyroscope_server_read(struct http_settings *http, const struct options *options)
{
    const struct setting_value *value = options->settings.value;

    *http = (struct http_settings){
        .url = value[SETTING_SERVER].text,
        .url_name = "CPROF_SERVER",
        .token = value[SETTING_AUTH_TOKEN].text,
        .user = value[SETTING_AUTH_USER].text,
        .password = value[SETTING_AUTH_PASSWORD].text,
        .tenant = value[SETTING_TENANT].text,
        .headers = value[SETTING_HEADERS].text,
        .headers_name = "CPROF_HTTP_HEADERS",
        .ca_file = value[SETTING_CA_FILE].text,
        .client_cert = value[SETTING_CLIENT_CERT].text,
        .client_key = value[SETTING_CLIENT_KEY].text,
        .proxy = value[SETTING_PROXY].text,
    };
    return *http->url;
}
