/* SPDX-License-Identifier: Apache-2.0 */
/* What the counters of a segment are called in labels of metrics. Pure. */
#ifndef CPROF_UPLOADER_COUNTER_LABELS_H
#define CPROF_UPLOADER_COUNTER_LABELS_H

#include "sampler/segment/layout.h"

enum { COUNTER_LABEL = 40 };

extern const enum counter_class counter_classes[COUNTERS];

/* LOST_STACK_TABLE is stack_table, STACKS_DEEP is deep, MUTEX_SAMPLES is mutex. Samples of allocations are of the profile
   "memory". */
void counter_label(enum counter counter, char label[COUNTER_LABEL]);

#endif
