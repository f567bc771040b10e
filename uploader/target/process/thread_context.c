/* SPDX-License-Identifier: Apache-2.0 */
#include "thread_context.h"

#include <string.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/otel/thread_variable.h"

enum { GAP_MOST_S = 32 };

/* Records of these are alike. Others are of languages that have their own places for them. */
static bool is_known_schema(const char *schema)
{
    return schema && (!strcmp(schema, "tlsdesc_v1_dev") || !strcmp(schema, "tls_v1"));
}

/* 1 + index of the attribute that has the local root span's id: "datadog.local_root_span_id". */
static uint32_t find_root(const struct process_context *context)
{
    static const char name[] = "local_root_span_id";

    for (unsigned i = 0; i < context->thread_keys; i++) {
        const char *key = context->thread_key[i], *last = key ? strrchr(key, '.') : NULL;
        if (key && !strcmp(last ? last + 1 : key, name))
            return i + 1;
    }
    return 0;
}

/* The target reads the sequence before and after the rest. */
static void publish(struct target *target, const struct thread_variable *variable, uint32_t root)
{
    struct seg_otel *otel = &target->segment->control.otel;
    uint32_t sequence = atomic_load_explicit(&otel->sequence, memory_order_relaxed) | 1;

    atomic_store_explicit(&otel->sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&otel->root, root, memory_order_relaxed);
    if (variable) {
        atomic_store_explicit(&otel->module, variable->module, memory_order_relaxed);
        atomic_store_explicit(&otel->offset, variable->offset, memory_order_relaxed);
    }
    atomic_store_explicit(&otel->sequence, sequence + 1, memory_order_release);
    atomic_store_explicit(&otel->is_found, variable != NULL, memory_order_release);
}

static void look(struct target *target, pid_t tid, int64_t now_ns)
{
    struct thread_variable variable;

    target->otel_gap_ns = target->otel_gap_ns ? 2 * target->otel_gap_ns : SECOND_NS;
    if (target->otel_gap_ns > GAP_MOST_S * SECOND_NS)
        target->otel_gap_ns = GAP_MOST_S * SECOND_NS;
    target->next_otel_ns = now_ns + target->otel_gap_ns;
    if (thread_variable_find(&target->owner, target->pid, tid, &variable)) {
        if (target->has_otel)
            publish(target, NULL, 0);
        target->has_otel = false;
        return;
    }
    target->otel = variable;
    target->otel_root = find_root(&target->context);
    publish(target, &variable, target->otel_root);
    if (!target->has_otel)
        log_info("%s[%d]: threads have an OpenTelemetry context (%s)", target->program->name, target->pid,
                 target->context.schema);
    target->has_otel = true;
}

void target_find_thread_context(struct target *target, pid_t tid, int64_t now_ns)
{
    uint32_t unloads = atomic_load_explicit(&target->segment->header.unloads, memory_order_relaxed);

    if (!is_known_schema(target->context.schema)) {
        if (target->has_otel)
            publish(target, NULL, 0);
        target->has_otel = false;
        return;
    }
    if (target->otel_published_ns != target->context.published_ns || target->otel_unloads != unloads) {
        target->otel_published_ns = target->context.published_ns;
        target->otel_unloads = unloads;
        target->otel_gap_ns = target->next_otel_ns = 0;
    } else if (target->has_otel || now_ns < target->next_otel_ns) {
        return;
    }
    look(target, tid, now_ns);
}
