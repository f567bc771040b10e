/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <inttypes.h>
#include <string.h>

#include "uploader/base/clock.h"

#define X(id, name, type, labels, help) {name, METRIC_##type, labels, help},
const struct metric_row metric_rows[METRIC_COUNT] = {METRICS(X)};
#undef X

static const char *const type_names[] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

void metric_begin(struct metric_text *text, enum metric metric)
{
    const struct metric_row *row = &metric_rows[metric];

    text->metric = metric;
    fprintf(text->file, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
            type_names[row->type]);
}

static void put_value(FILE *file, const char *value)
{
    for (size_t plain; *value; value += plain) {
        plain = strcspn(value, "\\\"\n");
        fwrite(value, 1, plain, file);
        if (!value[plain])
            return;
        fputs(value[plain] == '\n' ? "\\n" : value[plain] == '"' ? "\\\"" : "\\\\", file);
        plain++;
    }
}

/* le: one more label, of a histogram's class; NULL: none. */
static void put_name(struct metric_text *text, const char *suffix, const char *const *label, const char *le)
{
    const char *names = metric_rows[text->metric].labels, *separator = "{";

    fprintf(text->file, "%s%s", metric_rows[text->metric].name, suffix);
    for (size_t length; *names; names += length + (names[length] == ','), label++, separator = ",") {
        length = strcspn(names, ",");
        fprintf(text->file, "%s%.*s=\"", separator, (int)length, names);
        put_value(text->file, *label);
        fputc('"', text->file);
    }
    if (le)
        fprintf(text->file, "%sle=\"%s\"", separator, le);
    if (le || *separator == ',')
        fputc('}', text->file);
}

void metric_count(struct metric_text *text, const char *const *label, uint64_t value)
{
    put_name(text, "", label, NULL);
    fprintf(text->file, " %" PRIu64 "\n", value);
}

static void put_seconds(FILE *file, uint64_t ns)
{
    fprintf(file, " %" PRIu64 ".%09" PRIu64 "\n", ns / SECOND_NS, ns % SECOND_NS);
}

void metric_seconds(struct metric_text *text, const char *const *label, uint64_t ns)
{
    put_name(text, "", label, NULL);
    put_seconds(text->file, ns);
}

void metric_ratio(struct metric_text *text, const char *const *label, double value)
{
    put_name(text, "", label, NULL);
    fprintf(text->file, " %.9g\n", value);
}

void metric_durations(struct metric_text *text, const char *const *label, const struct durations *durations)
{
    uint64_t count = 0;
    char bound[24];

    for (unsigned i = 0; i < DURATION_CLASSES; i++) {
        if (i < DURATION_CLASSES - 1)
            snprintf(bound, sizeof bound, "%.6g", duration_bounds[i] / 1e3);
        else
            strcpy(bound, "+Inf");
        count += durations->count[i];
        put_name(text, "_bucket", label, bound);
        fprintf(text->file, " %" PRIu64 "\n", count);
    }
    put_name(text, "_sum", label, NULL);
    put_seconds(text->file, durations->sum_ns);
    put_name(text, "_count", label, NULL);
    fprintf(text->file, " %" PRIu64 "\n", count);
}
