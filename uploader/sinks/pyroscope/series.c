/* SPDX-License-Identifier: Apache-2.0 */
#include "series.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "uploader/encoding/utf8.h"
#include "uploader/options/log.h"
#include "uploader/pprof/profile.pb-c.h"
#include "uploader/sinks/http/pairs.h"

static void clean_name(const char *name, char out[SERIES_NAME_BYTES])
{
    size_t used = 0;

    if (*name >= '0' && *name <= '9')
        out[used++] = '_';
    for (; *name && used < SERIES_NAME_BYTES - 1; name++)
        out[used++] = (unsigned char)*name < 0x80 && isalnum((unsigned char)*name) ? *name : '_';
    out[used] = 0;
}

static void make_name(const struct series *series, const char *given, char name[SERIES_NAME_BYTES])
{
    char base[SERIES_NAME_BYTES];

    if (series->as_given)
        utf8_clean(name, SERIES_NAME_BYTES, given, true);
    else
        clean_name(given, name);
    strcpy(base, name);
    for (unsigned number = 2; *name && series_get(series, name); number++)
        snprintf(name, SERIES_NAME_BYTES, "%.*s_%u", SERIES_NAME_BYTES - 12, base, number);
}

static bool is_given(const struct series *series, const char *given)
{
    for (unsigned i = 0; i < series->labels; i++)
        if (!strcmp(series->label[i].given, given))
            return true;
    return false;
}

static void label_free(struct series_label *label)
{
    free(label->name);
    free(label->value);
    free(label->given);
}

enum series_note series_add(struct series *series, const char *given, const char *value, bool ours)
{
    char name[SERIES_NAME_BYTES], text[SERIES_VALUE_BYTES];
    struct series_label *label = &series->label[series->labels];

    if (is_given(series, given))
        return SERIES_TAKEN;
    make_name(series, given, name);
    utf8_clean(text, sizeof(text), value, true);
    if (!*name || !*text)
        return SERIES_EMPTY;
    if (!ours && !strncmp(name, "__", 2))
        return SERIES_RESERVED;
    if (series->labels == SERIES_LABELS)
        return SERIES_FULL;
    *label = (struct series_label){strdup(name), strdup(text), strdup(given)};
    if (!label->name || !label->value || !label->given) {
        label_free(label);
        return SERIES_FULL;
    }
    series->labels++;
    return strcmp(name, given) ? SERIES_RENAMED : SERIES_ADDED;
}

const char *series_get(const struct series *series, const char *name)
{
    for (unsigned i = 0; i < series->labels; i++)
        if (!strcmp(series->label[i].name, name))
            return series->label[i].value;
    return NULL;
}

void series_free(struct series *series)
{
    for (unsigned i = 0; i < series->labels; i++)
        label_free(&series->label[i]);
    series->labels = 0;
}

static const char no_pair[] =
    "CPROF_LABELS: a part of it is neither name=value nor name:value and is left out";

/* Labels that are added to a series. */
struct labelling {
    struct series *series;
    bool quiet; /* the faults of these labels were logged before */
};

static void add_label(void *context, const char *name, const char *value)
{
    static const char *const words[] = {
        [SERIES_TAKEN] = "is set already; this one is left out",
        [SERIES_RESERVED] = "begins with __ and is left out",
        [SERIES_FULL] = "is one too many and left out",
    };
    const struct labelling *labelling = context;
    enum series_note note = series_add(labelling->series, name, value, false);

    if (labelling->quiet)
        return;
    if (note == SERIES_RENAMED)
        log_warn("CPROF_LABELS: label %s is sent as %s; CPROF_LABEL_NAMES=utf8 sends names as they are", name,
                 labelling->series->label[labelling->series->labels - 1].name);
    if (note < sizeof(words) / sizeof(*words) && words[note])
        log_warn("CPROF_LABELS: label %s %s", name, words[note]);
}

static void find_service(void *context, const char *name, const char *value)
{
    struct series *found = context;

    if (!strcmp(name, "service.name"))
        series_add(found, "service_name", value, true);
}

static void add_resource_label(void *context, const char *name, const char *value)
{
    const struct labelling *labelling = context;

    if (strcmp(name, "service.name") != 0 &&
        series_add(labelling->series, name, value, false) == SERIES_FULL && !labelling->quiet)
        log_warn("OTEL_RESOURCE_ATTRIBUTES: more labels than the server takes; %s is left out", name);
}

static void ignore(void *context, const char *name, const char *value)
{
    (void)context, (void)name, (void)value;
}

void series_check(const char *labels)
{
    if (pairs_read(labels, false, ignore, NULL))
        log_failure(no_pair);
}

/* service.name of the resource attributes is the service unless the program was given another name; then what the program's
   own SDK says, which counts least. */
void series_label(struct series *series, const struct upload *upload, const char *resource,
                  const struct facts *facts, bool quiet)
{
    struct labelling labelling = {series, quiet};

    series_add(series, "__name__", series->kind->push_name, true);
    series_add(series, "__delta__", "false", true);
    if (!strcmp(upload->program, upload->service))
        pairs_read(resource, true, find_service, series);
    if (!strcmp(upload->program, upload->service) && facts->text[FACT_SERVICE])
        series_add(series, "service_name", facts->text[FACT_SERVICE], true);
    if (!series_get(series, "service_name"))
        series_add(series, "service_name", *upload->service ? upload->service : "unknown", true);
    if (pairs_read(upload->labels, false, add_label, &labelling) && !quiet)
        log_warn(no_pair);
    pairs_read(resource, true, add_resource_label, &labelling);
    for (int i = FACT_VERSION; i < FACTS_OF_SERVICE; i++)
        if (facts->text[i])
            series_add(series, fact_keys[i], facts->text[i], false);
}

static void random_bytes(uint8_t *bytes, size_t size)
{
    if (getrandom(bytes, size, GRND_NONBLOCK) != (ssize_t)size)
        memset(bytes, 0x55, size); /* before the kernel has any: ids are for people who look for one */
}

void series_make_uuid(char text[SERIES_UUID_BYTES])
{
    uint8_t b[16];

    random_bytes(b, sizeof(b));
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(text, SERIES_UUID_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

uint8_t *series_push_request(const struct series *series, const uint8_t *profile, size_t size,
                             size_t *body_size)
{
    Cprof__PushRequest push = CPROF__PUSH_REQUEST__INIT;
    Cprof__RawProfileSeries one = CPROF__RAW_PROFILE_SERIES__INIT, *all = &one;
    Cprof__RawSample sample = CPROF__RAW_SAMPLE__INIT, *samples = &sample;
    Cprof__LabelPair label[SERIES_LABELS], *labels[SERIES_LABELS];
    char uuid[SERIES_UUID_BYTES];
    uint8_t *body;

    series_make_uuid(uuid);
    for (unsigned i = 0; i < series->labels; i++) {
        cprof__label_pair__init(&label[i]);
        label[i].name = series->label[i].name;
        label[i].value = series->label[i].value;
        labels[i] = &label[i];
    }
    sample.raw_profile = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)profile};
    sample.id = uuid;
    one.n_labels = series->labels;
    one.labels = labels;
    one.n_samples = 1;
    one.samples = &samples;
    push.n_series = 1;
    push.series = &all;
    *body_size = cprof__push_request__get_packed_size(&push);
    body = malloc(*body_size);
    if (body)
        cprof__push_request__pack(&push, body);
    return body;
}
