/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the uploader knows of its programs and of itself, as Prometheus reads it. Nothing is gathered between two scrapes: the
 * caller brings what it has up to date, lists its targets, and everything is written at once. One thread only.
 *
 *     metrics_new()  metrics_add_target() for each  metrics_render()  metrics_free()
 */
#ifndef CPROF_UPLOADER_METRICS_H
#define CPROF_UPLOADER_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "uploader/base/durations.h"
#include "uploader/programs/programs.h"
#include "uploader/target/target.h"
#include "uploader/web/web.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Programs (by name and service) with series of their own: the first so many of a session. All others share one. */
enum { METRICS_PROGRAMS = 100 };

/* What only the session knows. */
struct metrics_session {
    uint64_t processes, joined, refused, wall_samples;
    const struct durations *round;
    const struct web_counts *web;
};

struct metrics;

/* Of these programs, which are borrowed. NULL: no memory. */
struct metrics *metrics_new(const struct programs *programs);
void metrics_free(struct metrics *metrics);

/* A live process: its rates count, and what it records. */
void metrics_add_target(struct metrics *metrics, const struct target *target);

/* Returns the text, malloc'ed, and its size. NULL: no memory. */
char *metrics_render(const struct metrics *metrics, const struct metrics_session *session, size_t *size);

#endif
