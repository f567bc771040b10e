/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels and the trace of the calling thread, as the API sets them. They are in thread-local storage, so a thread
 * without a slot has them, too. A copy is in the thread's slot, for wall samples.
 *
 * Signal-safe. If a handler sets something while the thread that it interrupted sets the same, the thread's is what
 * stays.
 */
#ifndef CPROF_SAMPLER_THREAD_LABELS_H
#define CPROF_SAMPLER_THREAD_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "label_sets.h"
#include "sampler/segment/layout.h"

/* A handler finds has_trace only when the ids are whole. */
struct thread_labels {
    uint32_t set; /* enum label_set */
    uint16_t writes;
    bool has_trace;
    uint64_t trace[2], span;
};
extern __thread struct thread_labels thread_labels
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The calling thread's slot has what thread_labels has: after a change, and when the thread gets a slot. segment NULL or
   slot 0: nothing to do. */
static inline void thread_labels_publish_set(struct segment *segment, uint32_t slot)
{
    if (__builtin_expect(!segment || !slot, 0))
        return;
    label_set_enter(segment, thread_labels.set);
    atomic_store_explicit(&segment->thread[slot].labels, thread_labels.set, memory_order_relaxed);
}
void thread_labels_publish_trace(struct segment *segment, uint32_t slot);

/* 0 or -1: see cprof.h. */
int thread_label_set(const char *key, const char *value);
int thread_label_clear(const char *key);
void thread_labels_replace(uint32_t set);
void thread_trace_set(const uint64_t trace[2], uint64_t span);
void thread_trace_clear(void);

#endif
