/* SPDX-License-Identifier: Apache-2.0 */
/* The settings table: types, units, other names, complaints, and the session's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sampler/segment/settings.h"

static char complaint[400];

static void keep(const char *line, void *context)
{
    (void)context;
    strncpy(complaint, line, sizeof complaint - 1);
}

static int read_one(struct settings *settings, const char *variable)
{
    char *envp[] = {(char *)variable, NULL};
    complaint[0] = 0;
    return settings_read(settings, envp, keep, NULL);
}

static void defaults_are_those_of_the_table(void **state)
{
    struct settings s;
    (void)state;
    assert_int_equal(read_one(&s, "HOME=/"), 0);
    assert_int_equal(s.value[SETTING_CPU_HZ].number, 100);
    assert_int_equal(s.value[SETTING_MEMORY_RATE].number, 512 * 1024);
    assert_int_equal(s.value[SETTING_INTERVAL].number, 15000000000);
    assert_int_equal(s.value[SETTING_BLOCK_RATE].number, 10000000);
    assert_int_equal(s.value[SETTING_PROFILES].number, PROFILES_READY);
    assert_int_equal(s.value[SETTING_FOLLOW].number, 1);
}

static void quantities_take_units(void **state)
{
    static const struct {
        const char *variable;
        enum setting setting;
        uint64_t number;
    } rows[] = {
        {"CPROF_MEMORY_RATE=1MiB", SETTING_MEMORY_RATE, 1 << 20},
        {"CPROF_MEMORY_RATE=1.5kB", SETTING_MEMORY_RATE, 1500},
        {"CPROF_MEMORY_RATE=4096", SETTING_MEMORY_RATE, 4096},
        {"CPROF_INTERVAL=2", SETTING_INTERVAL, 2000000000},
        {"CPROF_INTERVAL=0.5s", SETTING_INTERVAL, 500000000},
        {"CPROF_INTERVAL=1m", SETTING_INTERVAL, 60000000000},
        {"PYROSCOPE_UPLOAD_INTERVAL=7s", SETTING_INTERVAL, 7000000000},
        {"CPROF_BLOCK_RATE=500", SETTING_BLOCK_RATE, 500},
        {"CPROF_BLOCK_RATE=1ms", SETTING_BLOCK_RATE, 1000000},
        {"CPROF_FOLLOW=off", SETTING_FOLLOW, 0},
        {"CPROF_PROFILES=cpu", SETTING_PROFILES, 1 << PROFILE_CPU},
        {"CPROF_PROFILES=cpu,memory", SETTING_PROFILES, 1 << PROFILE_CPU | 1 << PROFILE_MEMORY},
        {"CPROF_PROFILES=none", SETTING_PROFILES, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s;
        assert_int_equal(read_one(&s, rows[i].variable), 0);
        assert_int_equal(s.value[rows[i].setting].number, rows[i].number);
    }
}

static void intervals_are_kept_by_time_and_size(void **state)
{
    static const uint64_t hour = 3600000000000, any = UINT64_MAX;
    static const struct {
        const char *text;
        uint64_t ns, bytes;
    } rows[] = {
        {"24h,256MiB", 24 * hour, 256 << 20},
        {"1GiB,7d", 168 * hour, 1 << 30},
        {"1.5h", hour * 3 / 2, any},
        {"10kB", any, 10000},
        {"30m", hour / 2, any},
        {"0", 0, 0},
        {"0s", 0, 0},
        {"1h,0", 0, 0},
        {"1h,0B", 0, 0},
    };
    static const char *const wrong[] = {"",          ",",      "1",   "1h,", ",1h", "1h,1h", "1MB,1MB",
                                        "1h,1MB,1s", "1h 1MB", "-1h", "1x",  "all", "1h,5"};
    struct setting_keep keep;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(setting_parse_keep(rows[i].text, &keep), 0);
        assert_int_equal(keep.ns, rows[i].ns);
        assert_int_equal(keep.bytes, rows[i].bytes);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_not_equal(setting_parse_keep(wrong[i], &keep), 0);
}

/* A name that was cut would make two services one. */
static void names_too_long_are_not_used(void **state)
{
    char text[sizeof "CPROF_NAME=" + SETTING_NAME_MOST + 1] = "CPROF_NAME=";
    struct settings s;

    (void)state;
    memset(text + strlen(text), 'x', SETTING_NAME_MOST);
    assert_int_equal(read_one(&s, text), 0);
    assert_int_equal(strlen(s.value[SETTING_NAME].text), SETTING_NAME_MOST);
    text[strlen(text)] = 'x';
    assert_int_equal(read_one(&s, text), 1);
    assert_string_equal(s.value[SETTING_NAME].text, "");
    assert_non_null(strstr(complaint, "is not a text of at most 255 bytes; it is not used"));
}

static void wrong_values_are_named_and_the_default_is_used(void **state)
{
    static const struct {
        const char *variable, *complaint;
    } rows[] = {
        {"CPROF_CPU_HZ=fast", "CPROF_CPU_HZ=fast is not a whole number up to 10000; 100 is used"},
        {"CPROF_CPU_HZ=-1", "CPROF_CPU_HZ=-1 is not a whole number up to 10000; 100 is used"},
        {"CPROF_CPU_HZ=99999999999999999999",
         "CPROF_CPU_HZ=99999999999999999999 is not a whole number up to 10000; 100 is used"},
        {"CPROF_CPU_HZ=10001", "CPROF_CPU_HZ=10001 is not a whole number up to 10000; 100 is used"},
        {"CPROF_INTERVAL=1ms", "CPROF_INTERVAL=1ms is not a time of 100ms or more, such as 15s; 15s is used"},
        {"CPROF_MEMORY_RATE=1Mb", "CPROF_MEMORY_RATE=1Mb is not a size such as 512KiB; 512KiB is used"},
        {"CPROF_KEEP=5",
         "CPROF_KEEP=5 is not a time, a size or both, such as 24h,256MiB; 24h,256MiB is used"},
        {"CPROF_FOLLOW=maybe", "CPROF_FOLLOW=maybe is not 0 or 1; 1 is used"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s;
        assert_int_equal(read_one(&s, rows[i].variable), 1);
        assert_string_equal(complaint, rows[i].complaint);
        assert_int_equal(s.value[SETTING_CPU_HZ].number, 100);
    }
}

static void our_names_win_over_others(void **state)
{
    char *envp[] = {"OTEL_SERVICE_NAME=c", "PYROSCOPE_APPLICATION_NAME=b", "CPROF_NAME=a", NULL};
    struct settings s;
    (void)state;
    settings_read(&s, envp, NULL, NULL);
    assert_string_equal(s.value[SETTING_NAME].text, "a");
    envp[2] = NULL;
    settings_read(&s, envp, NULL, NULL);
    assert_string_equal(s.value[SETTING_NAME].text, "b");
    envp[1] = NULL;
    settings_read(&s, envp, NULL, NULL);
    assert_string_equal(s.value[SETTING_NAME].text, "c");
}

static void session_name(struct settings *s, const char *variable, const char *directory, char name[108])
{
    read_one(s, variable);
    settings_socket_name(s, 1000, directory, name);
}

static void sessions_differ_by_what_the_uploader_does(void **state)
{
    struct settings s;
    char one[108], other[108];
    (void)state;
    session_name(&s, "A=", "/a", one);
    assert_memory_equal(one, "@cprof-1000-", 12);
    session_name(&s, "B=", "/a", other);
    assert_string_equal(one, other);
    session_name(&s, "CPROF_CPU_HZ=50", "/a", other);
    assert_string_equal(one, other); /* travels in the segment */
    session_name(&s, "CPROF_OUT=/a/cprof.out", "/elsewhere", other);
    assert_string_equal(one, other); /* the same directory, said otherwise */
    session_name(&s, "CPROF_OUT=x", "/a", other);
    assert_string_not_equal(one, other);
    session_name(&s, "CPROF_INTERVAL=1s", "/a", other);
    assert_string_not_equal(one, other);
    session_name(&s, "CPROF_SOCKET=/run/cprof.sock", "/a", other);
    assert_string_equal(other, "/run/cprof.sock");
}

/* Everybody can read the names of sockets in /proc/net/unix. */
static void no_secret_is_in_the_name(void **state)
{
    static const char *const variables[] = {
        "CPROF_AUTH_TOKEN=x",
        "PYROSCOPE_AUTH_TOKEN=x",
        "CPROF_BASIC_AUTH_PASSWORD=x",
        "CPROF_HTTP_HEADERS=a=b",
    };
    struct settings s;
    char one[108], other[108];
    (void)state;
    session_name(&s, "A=", "/a", one);
    for (unsigned i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        session_name(&s, variables[i], "/a", other);
        assert_string_equal(one, other);
    }
    session_name(&s, "CPROF_SERVER=http://host:1/x", "/a", one);
    session_name(&s, "CPROF_SERVER=http://me:pass@word@host:1/x?key=1", "/a", other);
    assert_string_equal(one, other);
    session_name(&s, "CPROF_SERVER=http://host:1/y", "/a", other);
    assert_string_not_equal(one, other);
    session_name(&s, "CPROF_SERVER=host:1/x", "/a", one);
    session_name(&s, "CPROF_SERVER=me:word@host:1/x", "/a", other);
    assert_string_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(quantities_take_units),
        cmocka_unit_test(intervals_are_kept_by_time_and_size),
        cmocka_unit_test(names_too_long_are_not_used),
        cmocka_unit_test(wrong_values_are_named_and_the_default_is_used),
        cmocka_unit_test(our_names_win_over_others),
        cmocka_unit_test(sessions_differ_by_what_the_uploader_does),
        cmocka_unit_test(no_secret_is_in_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
