/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <string.h>

#include "sampler/labels/label_sets.h"
#include "sampler/labels/otel_context.h"
#include "sampler/labels/thread_labels.h"
#include "sampler/process/process.h"

#include "sampler/base/poison.h"

enum { PROBES = 16, NEAR_PROBES = 6, NEAR = 1024 };

void context_read(struct context *context, struct segment *segment, struct seg_thread *thread, char *scratch)
{
    const struct thread_labels *own = &thread_labels;

    context->labels = own->set;
    context->has_ids = own->has_trace;
    if (own->has_trace)
        context->ids = (struct trace_ids){{own->trace[0], own->trace[1]}, own->span, 0};
    /* A thread that another one adopted has set its labels without knowing its slot. */
    if (__builtin_expect(atomic_load_explicit(&thread->labels, memory_order_relaxed) != own->set, 0))
        atomic_store_explicit(&thread->labels, own->set, memory_order_relaxed);
    if (__builtin_expect(atomic_load_explicit(&segment->control.otel.is_found, memory_order_relaxed) != 0, 0))
        otel_context_read(segment, scratch, &context->labels, context->has_ids ? NULL : &context->ids,
                          &context->has_ids);
    label_set_enter(segment, context->labels);
}

static uint64_t hash_of(const struct context *context)
{
    const struct trace_ids *ids = &context->ids;
    uint64_t hash = label_mix(ids->trace[0] ^ UINT64_C(0x9fb21c651e98df25), ids->trace[1] ^ context->labels);
    hash = label_mix(hash ^ ids->span, ids->root ^ UINT64_C(0xe7037ed1a0b428db));
    return hash ? hash : 1;
}

/* The first few entries to try are in a part of the table, so that few pages are touched. */
static uint32_t probe(uint64_t hash, uint32_t i)
{
    if (i < NEAR_PROBES)
        return ((uint32_t)hash + i) % NEAR;
    return NEAR + ((uint32_t)(hash >> 32) + i) % (LAYOUT_CONTEXTS - NEAR);
}

static bool is_same(const struct seg_context *entry, const struct context *context)
{
    return entry->labels == context->labels && !memcmp(&entry->ids, &context->ids, sizeof entry->ids);
}

/* An entry that another thread is writing is passed by: at worst a context is in the table twice. */
uint32_t context_number(const struct context *context, struct segment *segment, struct seg_bank *bank)
{
    uint64_t hash;

    if (__builtin_expect(!context->has_ids, 1))
        return context->labels;
    hash = hash_of(context);
    for (uint32_t i = 0; i < PROBES; i++) {
        uint32_t index = probe(hash, i);
        struct seg_context *entry = &bank->context[index];
        uint64_t found = atomic_load_explicit(&entry->hash, memory_order_relaxed);
        if (!found && atomic_compare_exchange_strong_explicit(&entry->hash, &found, hash,
                                                              memory_order_relaxed, memory_order_relaxed)) {
            entry->labels = context->labels;
            entry->ids = context->ids;
            atomic_fetch_add_explicit(&bank->contexts, 1, memory_order_relaxed);
            atomic_store_explicit(&entry->ready, 1, memory_order_release);
            return LAYOUT_LABEL_SETS + index;
        }
        if (found == hash && atomic_load_explicit(&entry->ready, memory_order_acquire) &&
            is_same(entry, context))
            return LAYOUT_LABEL_SETS + index;
    }
    segment_count(segment, COUNT_LOST_TRACE, 1);
    return context->labels;
}
