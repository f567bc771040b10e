/* SPDX-License-Identifier: Apache-2.0 */
/* The table: functions of a type, or threads. Pure. One thread only. */
#ifndef CPROF_ANALYSIS_TOP_ROWS_H
#define CPROF_ANALYSIS_TOP_ROWS_H

#include "layout.h"

void rows_draw_functions(struct screen *screen, const struct model *model, struct top_look *look);
void rows_draw_threads(struct screen *screen, const struct model *model, struct top_look *look);

#endif
