/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the text format 0.0.4 of Prometheus (prometheus/docs, docs/instrumenting/exposition_formats.md). Values are integers
 * and fixed point, so nothing is rounded. One thread only.
 */
#ifndef CPROF_UPLOADER_METRICS_TEXT_H
#define CPROF_UPLOADER_METRICS_TEXT_H

#include <stdint.h>
#include <stdio.h>

#include "table.h"
#include "uploader/base/durations.h"

enum { METRIC_LABELS = 3 };

/* The metric that is being written. */
struct metric_text {
    FILE *file; /* borrowed; whether writing failed, ferror() says */
    enum metric metric;
};

/* Writes a metric's HELP and TYPE. Its samples follow, and no other metric's between them. */
void metric_begin(struct metric_text *text, enum metric metric);

/* Each writes one sample. label: a value for each of the metric's labels, in the table's order; any text. */
void metric_count(struct metric_text *text, const char *const *label, uint64_t value);
void metric_seconds(struct metric_text *text, const char *const *label, uint64_t ns);
void metric_ratio(struct metric_text *text, const char *const *label, double value);
void metric_durations(struct metric_text *text, const char *const *label, const struct durations *durations);

#endif
