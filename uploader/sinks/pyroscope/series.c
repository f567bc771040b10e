/* SPDX-License-Identifier: Apache-2.0 */
#include "series.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "uploader/profile/profile.pb-c.h"
#include "uploader/base/utf8.h"

static void clean_name(const char *name, char out[SERIES_NAME_BYTES])
{
    size_t used = 0;

    if (*name >= '0' && *name <= '9')
        out[used++] = '_';
    for (; *name && used < SERIES_NAME_BYTES - 1; name++)
        out[used++] = (unsigned char)*name < 0x80 && isalnum((unsigned char)*name) ? *name : '_';
    out[used] = 0;
}

enum series_note series_add(struct series *series, const char *name, const char *value, bool ours)
{
    char clean[SERIES_NAME_BYTES], text[SERIES_VALUE_BYTES];
    struct series_label *label = &series->label[series->labels];

    clean_name(name, clean);
    utf8_clean(text, sizeof(text), value, true);
    if (!*clean || !*text)
        return SERIES_EMPTY;
    if (!ours && !strncmp(clean, "__", 2))
        return SERIES_RESERVED;
    if (series_get(series, clean))
        return SERIES_TAKEN;
    if (series->labels == SERIES_LABELS)
        return SERIES_FULL;
    label->name = strdup(clean);
    label->value = strdup(text);
    if (!label->name || !label->value) {
        free(label->name);
        free(label->value);
        return SERIES_FULL;
    }
    series->labels++;
    return strcmp(clean, name) ? SERIES_RENAMED : SERIES_ADDED;
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
    for (unsigned i = 0; i < series->labels; i++) {
        free(series->label[i].name);
        free(series->label[i].value);
    }
    series->labels = 0;
}

static void random_bytes(uint8_t *bytes, size_t size)
{
    if (getrandom(bytes, size, GRND_NONBLOCK) != (ssize_t)size)
        memset(bytes, 0x55, size); /* before the kernel has any: ids are for people who look for one */
}

/* Version 4 of RFC 4122. */
static void make_uuid(char text[37])
{
    uint8_t b[16];

    random_bytes(b, sizeof(b));
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static int check_request(struct series_request *request)
{
    if (request->path && request->content_type && request->body)
        return 0;
    free(request->path);
    free(request->content_type);
    free(request->body);
    *request = (struct series_request){0};
    return -ENOMEM;
}

int series_push_request(const struct series *series, const uint8_t *profile, size_t size,
                        struct series_request *request)
{
    Cprof__PushRequest push = CPROF__PUSH_REQUEST__INIT;
    Cprof__RawProfileSeries one = CPROF__RAW_PROFILE_SERIES__INIT, *all = &one;
    Cprof__RawSample sample = CPROF__RAW_SAMPLE__INIT, *samples = &sample;
    Cprof__LabelPair label[SERIES_LABELS], *labels[SERIES_LABELS];
    char uuid[37];

    make_uuid(uuid);
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
    request->size = cprof__push_request__get_packed_size(&push);
    request->body = malloc(request->size);
    request->path = strdup("/push.v1.PusherService/Push");
    request->content_type = strdup("application/proto");
    if (request->body)
        cprof__push_request__pack(&push, request->body);
    return check_request(request);
}

/* RFC 3986: all but the unreserved characters. */
static void put_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (((unsigned char)*text < 0x80 && isalnum((unsigned char)*text)) || strchr("-._~", *text))
            putc(*text, out);
        else
            fprintf(out, "%%%02X", (unsigned char)*text);
    }
}

/* The list of labels has no way to quote what separates them. */
static void put_plain(FILE *out, const char *text)
{
    for (; *text; text++)
        putc(strchr("{},=", *text) ? '_' : *text, out);
}

/* app{name=value,...}; the server makes __name__ of what the profile holds. */
static char *ingest_name(const struct series *series)
{
    const char *service = series_get(series, "service_name");
    char *name = NULL;
    size_t size;
    FILE *out = open_memstream(&name, &size);
    bool first = true;

    if (!out)
        return NULL;
    put_plain(out, service ? service : "unknown");
    putc('{', out);
    for (unsigned i = 0; i < series->labels; i++) {
        const struct series_label *label = &series->label[i];
        if (!strncmp(label->name, "__", 2) || !strcmp(label->name, "service_name"))
            continue;
        fprintf(out, "%s%s=", first ? "" : ",", label->name);
        put_plain(out, label->value);
        first = false;
    }
    putc('}', out);
    fclose(out);
    return name;
}

static char *ingest_path(const struct series *series, int64_t start_ns, int64_t end_ns)
{
    char *name = ingest_name(series), *path = NULL;
    size_t size;
    FILE *out = name ? open_memstream(&path, &size) : NULL;

    if (out) {
        fputs("/ingest?name=", out);
        put_escaped(out, name);
        fprintf(out, "&from=%lld&until=%lld&spyName=cprof", (long long)(start_ns / 1000000000),
                (long long)(end_ns / 1000000000));
        fclose(out);
    }
    free(name);
    return path;
}

/* Units in the words of that time. */
static const char *ingest_unit(const struct value_type *type)
{
    if (strcmp(type->unit, "count") != 0)
        return type->unit;
    return strstr(type->type, "objects") ? "objects" : "samples";
}

static void put_types(FILE *out, const struct profile_kind *kind)
{
    putc('{', out);
    for (unsigned i = 0; i < kind->values; i++)
        fprintf(out,
                "%s\"%s\":{\"units\":\"%s\",\"display-name\":\"%s\",\"aggregation\":\"%s\",\"sampled\":%s,"
                "\"cumulative\":false}",
                i ? "," : "", kind->value[i].type, ingest_unit(&kind->value[i]), kind->value[i].type,
                kind->snapshot_values >> i & 1 ? "average" : "sum",
                kind->snapshot_values >> i & 1 ? "false" : "true");
    putc('}', out);
}

int series_ingest_request(const struct series *series, int64_t start_ns, int64_t end_ns,
                          const uint8_t *profile, size_t size, struct series_request *request)
{
    char boundary[37];
    FILE *out;

    make_uuid(boundary); /* what is in no profile */
    *request = (struct series_request){.path = ingest_path(series, start_ns, end_ns)};
    if (asprintf(&request->content_type, "multipart/form-data; boundary=%s", boundary) < 0)
        request->content_type = NULL;
    out = open_memstream((char **)&request->body, &request->size);
    if (out) {
        fprintf(out,
                "--%s\r\nContent-Disposition: form-data; name=\"profile\"; filename=\"profile.pprof\"\r\n"
                "Content-Type: application/octet-stream\r\n\r\n",
                boundary);
        fwrite(profile, 1, size, out);
        fprintf(out,
                "\r\n--%s\r\nContent-Disposition: form-data; name=\"sample_type_config\"; "
                "filename=\"sample_type_config.json\"\r\nContent-Type: application/json\r\n\r\n",
                boundary);
        put_types(out, series->kind);
        fprintf(out, "\r\n--%s--\r\n", boundary);
        fclose(out);
    }
    return check_request(request);
}
