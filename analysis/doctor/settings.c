/* SPDX-License-Identifier: Apache-2.0 */
/* The settings: values that cannot be used, names that nobody reads, and switches that turn something off. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "checks.h"
#include "sampler/segment/schedule.h"
#include "uploader/sinks/http/pairs.h"

enum { NAME_MOST = 64, FAR = 3 };

static void complain(const char *line, void *context)
{
    struct examination *examination = context;
    FOUND(examination, MISSING, "%s\nCorrect or unset it; docs/settings.md has the forms", line);
}

static bool is_set(const struct examination *examination, enum setting setting)
{
    return *examination->options.settings.value[setting].text;
}

static const char *text_of(const struct examination *examination, enum setting setting)
{
    return examination->options.settings.value[setting].text;
}

static void check_words(struct examination *examination)
{
    static const struct {
        enum setting setting;
        const char *words[2];
    } lists[] = {{SETTING_LABEL_NAMES, {"plain", "utf8"}}, {SETTING_OTLP_COMPRESSION, {"gzip", "none"}}};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const char *text = text_of(examination, lists[i].setting);
        if (*text && strcmp(text, lists[i].words[0]) != 0 && strcmp(text, lists[i].words[1]) != 0)
            FOUND(examination, MISSING, "%s=%s is neither %s nor %s; %s is used\nCorrect or unset it",
                  setting_rows[lists[i].setting].variable, text, lists[i].words[0], lists[i].words[1],
                  setting_rows[lists[i].setting].fallback);
    }
}

static void check_pairs(struct examination *examination)
{
    static const struct {
        enum setting setting, needs;
    } pairs[] = {{SETTING_AUTH_PASSWORD, SETTING_AUTH_USER},
                 {SETTING_AUTH_USER, SETTING_AUTH_PASSWORD},
                 {SETTING_CLIENT_KEY, SETTING_CLIENT_CERT},
                 {SETTING_AUTH_TOKEN, SETTING_SERVER},
                 {SETTING_AUTH_USER, SETTING_SERVER},
                 {SETTING_TENANT, SETTING_SERVER},
                 {SETTING_SPOOL, SETTING_SERVER}};

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (is_set(examination, pairs[i].setting) && !is_set(examination, pairs[i].needs) &&
            !(pairs[i].needs == SETTING_SERVER &&
              (is_set(examination, SETTING_OTLP_ENDPOINT) || is_set(examination, SETTING_OTLP_PROFILES))))
            FOUND(examination, MISSING, "%s is set, and %s is not\nSet both, or none",
                  setting_rows[pairs[i].setting].variable, setting_rows[pairs[i].needs].variable);
}

static void take_no_label(void *context, const char *name, const char *value)
{
    (void)context, (void)name, (void)value;
}

static void check_labels(struct examination *examination)
{
    const char *labels = text_of(examination, SETTING_LABELS);

    if (pairs_read(labels, false, take_no_label, NULL) == -EINVAL)
        FOUND(examination, MISSING,
              "a part of %s=%s is no name=value and is left out\nWrite name=value,name=value",
              examination->options.settings.value[SETTING_LABELS].variable, labels);
}

void check_settings(struct examination *examination)
{
    struct settings settings;

    settings_read(&settings, examination->environment, complain, examination);
    check_words(examination);
    check_pairs(examination);
    check_labels(examination);
}

/* --- names --- */

/* Insertions, deletions, replacements and exchanges of neighbours. FAR or more is FAR. */
static unsigned distance(const char *one, const char *other)
{
    unsigned row[3][NAME_MOST + 1], *before = row[0], *last = row[1], *now = row[2];
    size_t length = strlen(one), width = strlen(other);

    if (length > NAME_MOST || width > NAME_MOST || length > width + FAR || width > length + FAR)
        return FAR;
    for (size_t j = 0; j <= width; j++)
        last[j] = (unsigned)j;
    memcpy(before, last, sizeof row[0]);
    for (size_t i = 1; i <= length; i++) {
        unsigned *next = before;
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= width; j++) {
            unsigned best = last[j - 1] + (one[i - 1] != other[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        before = last;
        last = now;
        now = next;
    }
    return last[width] < FAR ? last[width] : FAR;
}

struct nearest {
    char name[NAME_MOST + 1];
    unsigned distance; /* 0: it is one of ours */
};

static void compare(struct nearest *nearest, const char *name, const char *known, size_t length)
{
    char copy[NAME_MOST + 1];
    unsigned far;

    if (length > NAME_MOST)
        return;
    memcpy(copy, known, length);
    copy[length] = 0;
    far = distance(name, copy);
    if (far >= nearest->distance)
        return;
    nearest->distance = far;
    strcpy(nearest->name, copy);
}

static struct nearest find_nearest(const char *name)
{
    struct nearest nearest = {"", FAR};

    compare(&nearest, name, "LD_PRELOAD", strlen("LD_PRELOAD"));
    compare(&nearest, name, "DEBUGINFOD_URLS", strlen("DEBUGINFOD_URLS"));
    for (int i = 0; i < SETTINGS; i++) {
        compare(&nearest, name, setting_rows[i].variable, strlen(setting_rows[i].variable));
        for (const char *other = setting_rows[i].others; *other; other += *other == ',') {
            size_t length = strcspn(other, ",");
            compare(&nearest, name, other, length);
            other += length;
        }
    }
    return nearest;
}

/* Of other programs, though they look alike: of OpenTelemetry's SDKs, and of the loader. */
static bool is_of_others(const char *name)
{
    static const char *const others[] = {"LD_RELOAD", "OTEL_EXPORTER_OTLP_METRICS_",
                                         "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_LOGS_",
                                         "OTEL_EXPORTER_OTLP_INSECURE"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strncmp(name, others[i], strlen(others[i])))
            return true;
    return false;
}

static void judge_name(struct examination *examination, const char *name, const char *value)
{
    bool has_prefix = !strncasecmp(name, "CPROF_", 6), is_lower = false;
    struct nearest nearest;
    char upper[NAME_MOST + 1] = "";

    for (size_t i = 0; i < NAME_MOST && name[i]; i++) {
        upper[i] = (char)toupper((unsigned char)name[i]);
        is_lower |= upper[i] != name[i];
        upper[i + 1] = 0;
    }
    if (strlen(name) > NAME_MOST || !strncmp(name, "CPROF_TEST_", 11) || is_of_others(name))
        return;
    nearest = find_nearest(upper);
    if (!nearest.distance && !is_lower)
        return;
    /* Of the environment of anybody, only what is very like one of ours and is set to something. */
    if (!has_prefix && (nearest.distance >= 2 + (strncmp(nearest.name, "CPROF_", 6) == 0) || !*value ||
                        strlen(nearest.name) < 9))
        return;
    if (*nearest.name && nearest.distance < FAR)
        FOUND(examination, MISSING, "nobody reads the variable %s\n%s was meant", name, nearest.name);
    else
        FOUND(examination, MISSING, "nobody reads the variable %s\ncprof --help lists those that there are",
              name);
}

void check_names(struct examination *examination)
{
    for (char *const *at = examination->environment; at && *at; at++) {
        size_t length = strcspn(*at, "=");
        char name[NAME_MOST + 2];
        if (length > NAME_MOST || !(*at)[length])
            continue;
        memcpy(name, *at, length);
        name[length] = 0;
        judge_name(examination, name, *at + length + 1);
    }
}

/* --- switches --- */

static void check_profiles(struct examination *examination)
{
    static const struct {
        enum setting setting;
        enum profile_type type;
        const char *what;
    } rates[] = {{SETTING_CPU_HZ, PROFILE_CPU, "the CPU profile"},
                 {SETTING_MEMORY_RATE, PROFILE_MEMORY, "the memory profile"},
                 {SETTING_MUTEX_FRACTION, PROFILE_MUTEX, "the mutex profile"},
                 {SETTING_BLOCK_RATE, PROFILE_BLOCK, "the block profile"}};
    const struct setting_value *value = examination->options.settings.value;
    uint64_t profiles = value[SETTING_PROFILES].number;

    if (!profiles)
        FOUND(examination, STOPS, "CPROF_PROFILES=%s switches every profile off\nUnset it, or name types",
              value[SETTING_PROFILES].text);
    else if (profiles != PROFILES_READY)
        FOUND(examination, MISSING,
              "only the profiles %s are recorded, by CPROF_PROFILES\nUnset it for all of them",
              value[SETTING_PROFILES].text);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (profiles >> rates[i].type & 1 && !value[rates[i].setting].number)
            FOUND(examination, MISSING, "%s=0 switches %s off\nUnset it for the usual rate",
                  setting_rows[rates[i].setting].variable, rates[i].what);
}

static void check_schedule(struct examination *examination)
{
    const char *text = text_of(examination, SETTING_SCHEDULE);
    struct schedule schedule;
    time_t now = time(NULL);
    uint64_t next_ns;
    struct tm tm;

    if (!*text || schedule_parse(text, &schedule) || !localtime_r(&now, &tm))
        return;
    if (!schedule_is_on(&schedule, (uint64_t)now * 1000000000u,
                        (uint32_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec), &next_ns))
        FOUND(examination, MISSING, "by CPROF_SCHEDULE=%s nothing is recorded now\nWait, or unset it", text);
    else
        FOUND(examination, NOTE, "by CPROF_SCHEDULE=%s something is recorded now, and not at other times",
              text);
}

static void check_fraction(struct examination *examination)
{
    const struct settings *settings = &examination->options.settings;
    const char *slash = strrchr(examination->found, '/'), *text = settings->value[SETTING_FRACTION].text;
    char host[256] = "";

    gethostname(host, sizeof host - 1);
    if (settings->value[SETTING_FRACTION].number == FRACTION_ONE)
        return;
    if (!settings->value[SETTING_FRACTION].number)
        FOUND(examination, STOPS, "CPROF_FRACTION=%s leaves every program out\nUnset it", text);
    else if (!*examination->found && !*settings->value[SETTING_NAME].text)
        FOUND(examination, NOTE,
              "CPROF_FRACTION=%s leaves some programs of this host out\nAsk for one: cprof doctor PROGRAM",
              text);
    else if (!settings_are_chosen(settings, host, slash ? slash + 1 : examination->found))
        FOUND(examination, STOPS,
              "this host and service are not among CPROF_FRACTION=%s, so it is not profiled here\n"
              "Set CPROF_FRACTION=1, or another CPROF_NAME",
              text);
}

void check_switches(struct examination *examination)
{
    const struct setting_value *value = examination->options.settings.value;

    if (!value[SETTING_ENABLED].number)
        FOUND(examination, STOPS, "%s=%s switches the library off\nUnset it", value[SETTING_ENABLED].variable,
              value[SETTING_ENABLED].text);
    if (*examination->options.kill_switch && !examination->process.is_joined &&
        !access(examination->options.kill_switch, F_OK))
        FOUND(examination, STOPS, "the kill switch %s exists, so nothing is recorded\nRemove the file",
              examination->options.kill_switch);
    check_profiles(examination);
    if (!examination->process.is_joined)
        check_schedule(examination);
    check_fraction(examination);
    if (value[SETTING_START_DELAY].number)
        FOUND(examination, NOTE, "by CPROF_START_DELAY=%s nothing is recorded of a program's first time",
              value[SETTING_START_DELAY].text);
    if (value[SETTING_DURATION].number)
        FOUND(examination, MISSING,
              "by CPROF_DURATION=%s a program is recorded for so long only\nUnset it to record it to its "
              "end",
              value[SETTING_DURATION].text);
    if (!value[SETTING_FOLLOW].number && examination->is_script)
        FOUND(examination, MISSING, "by CPROF_FOLLOW=0 what the script %s starts is not profiled\nUnset it",
              examination->found);
}
