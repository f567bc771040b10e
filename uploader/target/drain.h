/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what was recorded out of a segment. One thread only. */
#ifndef CPROF_UPLOADER_DRAIN_H
#define CPROF_UPLOADER_DRAIN_H

#include "target.h"

void drain_bank(struct target *target, unsigned bank);
void drain_commit(struct target *target, unsigned bank);
void drain_forget(struct target *target, unsigned bank); /* the bank was emptied */
void drain_live(struct target *target);
void drain_created(struct target *target);
void drain_counters(struct target *target);

/* Calls each() with a consistent copy of every live allocation. */
void drain_each_live(struct target *target, void (*each)(struct target *, const struct seg_live *, void *),
                     void *context);

#endif
