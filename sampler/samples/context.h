/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the calling thread works for at a sample: its labels, and its trace and span. The API's come first; what it has not
 * set is taken from the thread's OpenTelemetry context, if there is one. Signal-safe.
 */
#ifndef CPROF_SAMPLER_CONTEXT_H
#define CPROF_SAMPLER_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

struct context {
    uint32_t labels; /* enum label_set, entered in the segment */
    bool has_ids;
    struct trace_ids ids;
};

/* scratch: LABEL_SET_BYTES. */
void context_read(struct context *context, struct segment *segment, struct seg_thread *thread, char *scratch);

/* Its number in the bank, for sample_key(). If the bank has no room for another trace, that of its labels alone
   (counted). */
uint32_t context_number(const struct context *context, struct segment *segment, struct seg_bank *bank);

#endif
