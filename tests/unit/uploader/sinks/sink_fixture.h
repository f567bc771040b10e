/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the sinks share: what a sink says is kept as text, and an upload with one sample is handed to it. */
#ifndef CPROF_TESTS_SINK_FIXTURE_H
#define CPROF_TESTS_SINK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/upload/sink.h"

/* ---- What the sinks say ---- */
static char log_text[65536];
static bool log_has_info; /* and not warnings and failures alone */

static void log_add(const char *format, va_list arguments)
{
    size_t used = strlen(log_text);

    vsnprintf(log_text + used, sizeof(log_text) - used, format, arguments);
    strncat(log_text, "\n", sizeof(log_text) - strlen(log_text) - 1);
}

void log_open(const struct options *options)
{
    (void)options;
}

void log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (log_has_info)
        log_add(format, arguments);
    va_end(arguments);
}

void log_warn(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_add(format, arguments);
    va_end(arguments);
}

void log_warn_of(const void *about, const char *format, ...)
{
    va_list arguments;

    (void)about;
    va_start(arguments, format);
    log_add(format, arguments);
    va_end(arguments);
}

void log_failure(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_add(format, arguments);
    va_end(arguments);
}

/* ---- What is handed to the sinks ---- */
static struct options options;
static char url[200];

static void set_options(const char *format, ...)
{
    va_list arguments;

    memset(&options, 0, sizeof(options));
    for (unsigned i = 0; i < SETTINGS; i++)
        options.settings.value[i].text = "";
    va_start(arguments, format);
    vsnprintf(url, sizeof(url), format, arguments);
    va_end(arguments);
    options.settings.value[SETTING_SERVER].text = url;
    *log_text = 0;
}

static const struct symbol_line line = {"main", "main", "", 0, 0};
static const struct symbol_location location = {NULL, 1, 1, 1, &line};
static const struct symbol_location *const stack[] = {&location};

static inline struct profile *one_sample(void)
{
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 10);

    assert_int_equal(profile_add(profile, stack, 1, 1, "", (int64_t[PROFILE_VALUES]){1, 2}, NULL), 0);
    return profile;
}

static inline struct upload make_upload(struct profile *profile)
{
    static const struct program_id id = {"app", "app", ""};
    int64_t now_ns = clock_ns(CLOCK_REALTIME);

    return (struct upload){
        .id = &id,
        .program = "app",
        .service = "shop",
        .labels = "env=test, zone:a-1,bad name=x,__x=1,broken",
        .start_ns = now_ns - SECOND_NS,
        .end_ns = now_ns,
        .session_start_ns = now_ns - SECOND_NS,
        .interval = {[KIND_ID_CPU] = profile},
        .merged = {[KIND_ID_CPU] = profile},
        .period = {10000000, 524288},
        .final = true,
    };
}

#endif
