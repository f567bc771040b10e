/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenTelemetry thread context of the calling thread: the record that the program's own SDK keeps in the
 * thread-local variable otel_thread_ctx_v1 (OTEP 4947). seg_control.otel says where the variable is.
 *
 * The record is the program's, so nothing about it is believed. Memory that was not looked at within the
 * last 0.5 ms, or before an munmap() of any thread, is tried by nofault.h first. Signal-safe.
 */
#ifndef CPROF_SAMPLER_OTEL_CONTEXT_H
#define CPROF_SAMPLER_OTEL_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

/* Only if control.otel.is_found. Adds the attributes to the set of labels. ids: NULL, or where the trace goes if the record
   has one; *has_ids becomes true then. scratch: LABEL_SET_BYTES. */
void otel_context_read(struct segment *segment, char *scratch, uint32_t *labels, struct trace_ids *ids,
                       bool *has_ids);

/* The program has unmapped memory, or changed what it may do with some. */
void otel_context_forget_memory(void);

#endif
