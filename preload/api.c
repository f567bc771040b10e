/* SPDX-License-Identifier: Apache-2.0 */
#define CPROF_LIBRARY
#include "include/cprof/cprof.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sampler/labels/label_sets.h"
#include "sampler/labels/thread_labels.h"
#include "sampler/process/process.h"
#include "sampler/threads/thread_local.h"

int cprof_api_version(void)
{
    return CPROF_API_VERSION;
}

int cprof_is_profiling(void)
{
    return process_segment() != NULL;
}

/* The segment that the calling thread's slot is in. NULL: none, also in a child that has not noticed yet, whose slot
   would be its parent's. */
static inline struct segment *own_segment(void)
{
    struct segment *segment = atomic_load_explicit(&process_current, memory_order_acquire);
    return segment && !process_is_fresh_child() ? segment : NULL;
}

int cprof_label_set(const char *key, const char *value)
{
    int result = thread_label_set(key, value);
    thread_labels_publish_set(own_segment(), thread_local_state.slot);
    return result;
}

int cprof_label_clear(const char *key)
{
    int result = thread_label_clear(key);
    thread_labels_publish_set(own_segment(), thread_local_state.slot);
    return result;
}

int cprof_trace_set(const unsigned char trace_id[16], const unsigned char span_id[8])
{
    uint64_t trace[2] = {0, 0}, span = 0;

    if (trace_id && span_id) {
        memcpy(trace, trace_id, sizeof trace);
        memcpy(&span, span_id, sizeof span);
    }
    if ((!trace[0] && !trace[1]) || !span) {
        cprof_trace_clear();
        return -1;
    }
    thread_trace_set(trace, span);
    thread_labels_publish_trace(own_segment(), thread_local_state.slot);
    return 0;
}

void cprof_trace_clear(void)
{
    if (!thread_labels.has_trace)
        return;
    thread_trace_clear();
    thread_labels_publish_trace(own_segment(), thread_local_state.slot);
}

/* The words of struct cprof_labels. */
enum { WORD_SET, WORD_HAS_TRACE, WORD_TRACE, WORD_SPAN = WORD_TRACE + 2, WORDS };
_Static_assert(sizeof(struct cprof_labels) == WORDS * sizeof(uint64_t), "it has them all");

struct cprof_labels cprof_labels_capture(void)
{
    struct cprof_labels labels = {{thread_labels.set, thread_labels.has_trace, 0, 0, 0}};

    if (thread_labels.has_trace) {
        labels.opaque[WORD_TRACE] = thread_labels.trace[0];
        labels.opaque[WORD_TRACE + 1] = thread_labels.trace[1];
        labels.opaque[WORD_SPAN] = thread_labels.span;
    }
    return labels;
}

void cprof_labels_apply(struct cprof_labels labels)
{
    const uint64_t trace[2] = {labels.opaque[WORD_TRACE], labels.opaque[WORD_TRACE + 1]};

    if (labels.opaque[WORD_SET] < LAYOUT_LABEL_SETS)
        thread_labels_replace((uint32_t)labels.opaque[WORD_SET]);
    thread_labels_publish_set(own_segment(), thread_local_state.slot);
    if (!labels.opaque[WORD_HAS_TRACE]) {
        cprof_trace_clear();
        return;
    }
    thread_trace_set(trace, labels.opaque[WORD_SPAN]);
    thread_labels_publish_trace(own_segment(), thread_local_state.slot);
}
