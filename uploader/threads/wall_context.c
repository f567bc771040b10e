/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What threads work for, as it is known from outside. The API writes it to the thread's slot. OpenTelemetry's context is in
 * the program's memory. It may change at any moment while the thread runs, so it is read of threads that wait in a hooked
 * call alone, once a wait.
 */
#include <string.h>

#include "uploader/otel/thread_record.h"
#include "uploader/target/context.h"
#include "uploader/target/segment.h"
#include "wall_state.h"

static bool read_process(const void *context, uint64_t address, void *to, size_t size)
{
    const struct wall *wall = context;
    return unwinder_read(wall->unwinder, address, to, size);
}

/* Adds the attributes to the labels. root: the local root span's id. */
static void take_attributes(struct wall *wall, const struct thread_record *record,
                            struct watched_thread *watched, uint8_t root[8])
{
    struct target *target = wall->target;
    char value[PROFILE_LABELS][RECORD_VALUE];
    struct label_list list = {.count = 0};
    unsigned own = watched->labels ? watched->labels->count : 0;
    size_t cursor = 0;
    uint8_t index;

    for (; list.count < own && list.count < PROFILE_LABELS; list.count++)
        list.label[list.count] = watched->labels->label[list.count];
    while (list.count < PROFILE_LABELS && thread_record_next(record, &cursor, &index, value[list.count])) {
        const char *key = index < target->context.thread_keys ? target->context.thread_key[index] : NULL;
        if (index + 1u == target->otel_root)
            thread_record_id(value[list.count], root);
        else if (key && *key) {
            list.label[list.count] = (struct profile_label){key, value[list.count], NULL};
            list.count++;
        }
    }
    if (list.count > own)
        watched->labels = label_sets_get(&target->programs->label_sets, &list);
}

static void take_record(struct wall *wall, struct seg_thread *slot, struct watched_thread *watched,
                        uint32_t sequence)
{
    const struct module_memory memory = {read_process, wall, 0};
    bool is_musl = wall->target->segment->header.flags & SEGMENT_MUSL;
    static const uint8_t none[16];
    struct thread_record record;
    uint8_t root[8] = {0};

    if (!thread_record_read(&memory, slot->thread_pointer, is_musl, &wall->target->otel, &record) ||
        has_moved_on(slot, sequence))
        return;
    take_attributes(wall, &record, watched, root);
    if (!*watched->trace.trace_text && memcmp(record.trace, none, sizeof record.trace) != 0 &&
        memcmp(record.span, none, sizeof record.span) != 0)
        profile_trace_make(&watched->trace, record.trace, record.span, root);
}

void wall_take_context(struct wall *wall, struct seg_thread *slot, struct watched_thread *watched,
                       uint32_t sequence)
{
    struct profile_sample sample = {.labels = NULL};

    target_thread_context(wall->target, slot, &watched->trace, &sample);
    watched->labels = sample.labels;
    if (!sample.trace)
        *watched->trace.trace_text = 0;
    if (wall->target->has_otel && sequence & 1 && !wall->dead && !wall->unreadable && wall->target->pid)
        take_record(wall, slot, watched, sequence);
}
