/* SPDX-License-Identifier: Apache-2.0 */
/* CPROF_SCHEDULE, CPROF_FRACTION: what they say, of which time and whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sampler/segment/schedule.h"
#include "sampler/segment/settings.h"

#define S UINT64_C(1000000000)

static void what_is_a_schedule(void **state)
{
    static const char *const good[] = {
        "1m/10m", "30/60", "1s/1s", "09:00-17:00", "22:00-6:30", "0:00-24:00", "1m/10m,09:00-17:00"};
    static const char *const bad[] = {"1m",
                                      "10m/1m",
                                      "0/10m",
                                      "1m/",
                                      "/",
                                      "9-17",
                                      "09:00",
                                      "09:60-10:00",
                                      "24:01-1:00",
                                      "09:00-09:00",
                                      "09:00-17:00,",
                                      "1m/10m;",
                                      "1ms/10ms",
                                      ",1m/10m",
                                      "x/y",
                                      "1m/10m/5m",
                                      "1m/10m09:00-17:00"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(schedule_parse(good[i], NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!schedule_parse(bad[i], NULL))
            fail_msg("%s is taken for a schedule", bad[i]);
}

static void too_many_parts_are_none(void **state)
{
    char text[SCHEDULE_PARTS * 8 + 8] = "1s/2s";

    (void)state;
    for (int i = 1; i < SCHEDULE_PARTS; i++)
        strcat(text, ",1s/2s");
    assert_int_equal(schedule_parse(text, NULL), 0);
    strcat(text, ",1s/2s");
    assert_int_not_equal(schedule_parse(text, NULL), 0);
}

static bool is_on(const char *text, uint64_t now_ns, uint32_t day_s, uint64_t *left_s)
{
    struct schedule schedule;
    uint64_t next_ns;
    bool on;

    assert_int_equal(schedule_parse(text, &schedule), 0);
    on = schedule_is_on(&schedule, now_ns, day_s, &next_ns);
    *left_s = (next_ns - now_ns + S - 1) / S;
    return on;
}

static void a_share_of_each_span(void **state)
{
    uint64_t left;

    (void)state;
    assert_true(is_on("1m/10m", 600 * S, 0, &left));
    assert_int_equal(left, 60);
    assert_true(is_on("1m/10m", 659 * S, 0, &left));
    assert_int_equal(left, 1);
    assert_false(is_on("1m/10m", 660 * S, 0, &left));
    assert_int_equal(left, 540);
    assert_true(is_on("10m/10m", 659 * S, 0, &left));
}

static void a_time_of_day(void **state)
{
    uint64_t left;

    (void)state;
    assert_false(is_on("09:00-17:00", 0, 9 * 3600 - 1, &left));
    assert_int_equal(left, 1);
    assert_true(is_on("09:00-17:00", 0, 9 * 3600, &left));
    assert_int_equal(left, 8 * 3600);
    assert_false(is_on("09:00-17:00", 0, 17 * 3600, &left));
    assert_int_equal(left, 16 * 3600);
    assert_true(is_on("22:00-06:00", 0, 23 * 3600, &left));
    assert_int_equal(left, 7 * 3600);
    assert_true(is_on("22:00-06:00", 0, 5 * 3600, &left));
    assert_false(is_on("22:00-06:00", 0, 6 * 3600, &left));
    assert_true(is_on("00:00-24:00", 0, 86399, &left));
}

/* Any part is enough, and what changes first is when to ask again. */
static void several_parts(void **state)
{
    uint64_t left;

    (void)state;
    assert_true(is_on("1m/10m,09:00-17:00", 300 * S, 10 * 3600, &left));
    assert_int_equal(left, 300);
    assert_true(is_on("1m/10m,09:00-17:00", 600 * S, 1, &left));
    assert_false(is_on("1m/10m,09:00-17:00", 700 * S, 1, &left));
}

/* It says the same until the time that it names. */
static void the_answer_holds(void **state)
{
    struct schedule schedule;

    (void)state;
    assert_int_equal(schedule_parse("7s/31s,00:01-00:02,5s/13s", &schedule), 0);
    for (uint64_t s = 0; s < 600; s++) {
        uint64_t next_ns, other_ns;
        bool on = schedule_is_on(&schedule, s * S, (uint32_t)s, &next_ns);
        assert_true(next_ns > s * S);
        for (uint64_t later = s + 1; later * S < next_ns && later < 700; later++)
            assert_int_equal(schedule_is_on(&schedule, later * S, (uint32_t)later, &other_ns), on);
    }
}

static bool chosen(const char *fraction, const char *host, const char *service, const char *resource,
                   const char *program)
{
    char texts[3][128];
    char *envp[] = {texts[0], texts[1], texts[2], NULL};
    struct settings settings;

    snprintf(texts[0], sizeof texts[0], "CPROF_FRACTION=%s", fraction);
    snprintf(texts[1], sizeof texts[1], "CPROF_NAME=%s", service);
    snprintf(texts[2], sizeof texts[2], "OTEL_RESOURCE_ATTRIBUTES=%s", resource);
    assert_int_equal(settings_read(&settings, envp, NULL, NULL), 0);
    return settings_are_chosen(&settings, host, program);
}

/* 4,000 services of a binomial distribution: five standard errors. Whoever is in a smaller fraction is in a larger. */
static void a_fraction_of_hosts_and_services(void **state)
{
    unsigned tenth = 0, half = 0;

    (void)state;
    for (int i = 0; i < 4000; i++) {
        char host[32], service[32];
        bool in_tenth, in_half;
        snprintf(host, sizeof host, "node-%d", i % 200);
        snprintf(service, sizeof service, "service-%d", i / 200);
        in_tenth = chosen("0.1", host, service, "", "x");
        in_half = chosen("50%", host, service, "", "x");
        assert_int_equal(in_tenth, chosen("10%", host, service, "", "y"));
        assert_true(in_half || !in_tenth);
        assert_true(chosen("1", host, service, "", "x"));
        assert_false(chosen("0", host, service, "", "x"));
        tenth += in_tenth;
        half += in_half;
    }
    assert_in_range(tenth, 400 - 95, 400 + 95);
    assert_in_range(half, 2000 - 158, 2000 + 158);
}

/* By the name that it has upstream. The same from version to version. */
static void who_is_asked_about(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++) {
        char host[32];
        snprintf(host, sizeof host, "host%d", i);
        assert_int_equal(chosen("0.5", host, "api", "service.name=other", "program"),
                         chosen("0.5", host, "api", "", "x"));
        assert_int_equal(chosen("0.5", host, "", "a=b,service.name=api,c=d", "program"),
                         chosen("0.5", host, "api", "", "x"));
        assert_int_equal(chosen("0.5", host, "", "a=b", "api"), chosen("0.5", host, "api", "", "x"));
    }
    assert_true(chosen("0.2", "host1", "api", "", ""));
    assert_false(chosen("0.2", "host0", "api", "", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_schedule),
        cmocka_unit_test(too_many_parts_are_none),
        cmocka_unit_test(a_share_of_each_span),
        cmocka_unit_test(a_time_of_day),
        cmocka_unit_test(several_parts),
        cmocka_unit_test(the_answer_holds),
        cmocka_unit_test(a_fraction_of_hosts_and_services),
        cmocka_unit_test(who_is_asked_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
