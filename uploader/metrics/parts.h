/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the text. Each writes whole metrics. One thread only. */
#ifndef CPROF_UPLOADER_METRICS_PARTS_H
#define CPROF_UPLOADER_METRICS_PARTS_H

#include "rows.h"
#include "text.h"

/* Of each program. */
void metrics_write_programs(struct metric_text *text, const struct metrics *metrics);

/* Of the session and its sinks. */
void metrics_write_session(struct metric_text *text, const struct metrics *metrics,
                           const struct metrics_session *session);

/* Of the uploader's process. What the kernel does not tell is left out. */
void metrics_write_own(struct metric_text *text);

#endif
