/* SPDX-License-Identifier: Apache-2.0 */
/* What settings make of an endpoint, what answers say, and bodies that are split. */
#include "tests/unit/uploader/sinks/sink_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "uploader/otlp/body.h"
#include "uploader/otlp/encode_otlp.h"
#include "uploader/sinks/otlp/otlp_server.h"

static void set(enum setting setting, const char *text)
{
    options.settings.value[setting].text = text;
}

static void set_endpoints(const char *general, const char *own)
{
    set_options("%s", "");
    set(SETTING_OTLP_ENDPOINT, general);
    set(SETTING_OTLP_PROFILES, own);
    set(SETTING_OTLP_PROTOCOL, "http/protobuf");
    set(SETTING_OTLP_COMPRESSION, "gzip");
    options.settings.value[SETTING_OTLP_TIMEOUT].number = 10 * SECOND_NS;
}

static void endpoints(void **state)
{
    struct otlp_server server;

    (void)state;
    set_endpoints("", "");
    assert_false(otlp_server_read(&server, &options));
    set_endpoints("http://collector:4318/base", "");
    assert_true(otlp_server_read(&server, &options));
    assert_string_equal(server.http.url, "http://collector:4318/base");
    assert_string_equal(server.kind.path, "/v1development/profiles");
    assert_true(server.is_general && server.compressed);
    assert_int_equal(server.http.timeout_ms, 10000);
    set_endpoints("http://collector:4317", "http://other/x");
    set(SETTING_OTLP_COMPRESSION, "none");
    assert_true(otlp_server_read(&server, &options));
    assert_string_equal(server.http.url, "http://other/x");
    assert_string_equal(server.kind.path, "");
    assert_null(server.kind.content_encoding);
    assert_string_equal(log_text, "");
}

static void what_is_not_spoken(void **state)
{
    static const char *const ports[] = {"http://u:p@collector:4317", "collector:4317", "http://[::1]:4317/"};
    struct otlp_server server;

    (void)state;
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        set_endpoints(ports[i], "");
        assert_false(otlp_server_read(&server, &options));
        assert_non_null(strstr(log_text, "4317"));
        assert_null(strstr(log_text, "u:p"));
    }
    set_endpoints("", "http://collector:4317/v1development/profiles");
    assert_true(otlp_server_read(&server, &options));
    assert_non_null(strstr(log_text, "4317"));
    set_endpoints("http://collector:14317", "");
    assert_true(otlp_server_read(&server, &options));
    assert_string_equal(log_text, "");
    set(SETTING_OTLP_PROTOCOL, "grpc");
    assert_false(otlp_server_read(&server, &options));
    assert_non_null(strstr(log_text, "PROTOCOL is grpc"));
}

static const char *explain(const void *answer, size_t size)
{
    static char text[100];

    otlp_explain(answer, size, text, sizeof text);
    return text;
}

static void answers(void **state)
{
    char longest[500];

    (void)state;
    assert_string_equal(explain("", 0), "");
    assert_string_equal(explain("\x0a\x00", 2), ""); /* the collector's: an empty partial success */
    assert_string_equal(explain("\x0a\x09\x08\x03\x12\x05"
                                "stale",
                                11),
                        "3 profiles were rejected: stale");
    assert_string_equal(explain("\x0a\x02\x08\x03", 4), "3 profiles were rejected: no reason is given");
    assert_string_equal(explain("\x0a\x06\x12\x04warn", 8), "warn");
    assert_string_equal(explain("\x08\x03\x12\x03"
                                "bad",
                                7),
                        "bad");
    assert_string_equal(explain("404 page not found\n", 19), "404 page not found\n");
    memset(longest, 'x', sizeof longest);
    assert_int_equal(strlen(explain(longest, sizeof longest)), 99);
}

static unsigned pieces;
static int count_piece(void *context, uint8_t *body, size_t size)
{
    assert_int_equal(body_is_packed(body, size), *(bool *)context);
    pieces++;
    free(body);
    return 0;
}

static uint8_t *whole;
static size_t whole_size;
static int keep_whole(void *context, uint8_t *data, size_t size)
{
    (void)context;
    whole = data;
    whole_size = size;
    return 0;
}

static void bodies_are_split_as_they_were(void **state)
{
    static const struct symbol_location other = {NULL, 2, 2, 1, &line};
    static const struct symbol_location *const others[] = {&other};
    const struct otlp_limits limits = {SIZE_MAX, SIZE_MAX, SIZE_MAX, 0};
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);
    struct resource resource = {.attributes = 0};
    const struct otlp_meta meta = {.resource = &resource};
    bool packed = false;
    uint8_t *body, *data;
    size_t size, data_size;

    (void)state;
    assert_int_equal(profile_add(profile, others, 1, 1, "", (int64_t[PROFILE_VALUES]){1, 2}, NULL), 0);
    assert_int_equal(otlp_encode(&upload, &meta, &limits, keep_whole, NULL), 0);
    assert_int_equal(otlp_split_body(whole, whole_size, count_piece, &packed), 0);
    assert_int_equal(pieces, 2);
    assert_int_equal(body_pack(whole, whole_size, &body, &size), 0);
    packed = true;
    assert_int_equal(otlp_split_body(body, size, count_piece, &packed), 0);
    assert_int_equal(pieces, 4);
    assert_int_equal(body_unpack(body, size, &data, &data_size), 0);
    assert_int_equal(data_size, whole_size);
    assert_memory_equal(data, whole, whole_size);
    free(data);
    for (size_t cut = 3; cut < size; cut++)
        assert_int_equal(otlp_split_body(body, cut, count_piece, &packed), -EINVAL);
    assert_int_equal(pieces, 4);
    free(body);
    free(whole);
    profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints),
        cmocka_unit_test(what_is_not_spoken),
        cmocka_unit_test(answers),
        cmocka_unit_test(bodies_are_split_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
