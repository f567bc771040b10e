/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a target's threads work for: labels and traces, as its segment says. It may say anything, so sets of labels are
 * copied first and bounded. One thread only.
 */
#ifndef CPROF_UPLOADER_TARGET_CONTEXT_H
#define CPROF_UPLOADER_TARGET_CONTEXT_H

#include "target.h"

/* The labels of the set with this number (enum label_set). NULL: none, or malformed (counted). */
const struct profile_labels *target_labels(struct target *target, uint32_t set);

/* Labels and trace of a sample, by the context of its key. room: where the trace is as long as the sample is used. */
void target_context(struct target *target, struct seg_bank *bank, uint32_t context,
                    struct profile_trace *room, struct profile_sample *sample);

/* The same of a thread now, as its slot says. A trace that changes at the moment is none. */
void target_thread_context(struct target *target, struct seg_thread *slot, struct profile_trace *room,
                           struct profile_sample *sample);

/* After target->context was read: what attributes of thread contexts are called may have changed. */
void target_forget_labels(struct target *target);

#endif
