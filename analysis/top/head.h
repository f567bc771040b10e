/* SPDX-License-Identifier: Apache-2.0 */
/* The first lines: the program and what it does, locks, what profiling costs and what was lost. Pure. One thread only. */
#ifndef CPROF_ANALYSIS_TOP_HEAD_H
#define CPROF_ANALYSIS_TOP_HEAD_H

#include "layout.h"

void head_draw(struct screen *screen, const struct model *model, const struct top_look *look);

#endif
