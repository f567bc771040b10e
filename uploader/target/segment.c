/* SPDX-License-Identifier: Apache-2.0 */
#include "segment.h"

#include <string.h>

#include "sampler/segment/ticks.h"
#include "uploader/base/clock.h"
#include "uploader/encoding/utf8.h"

uint32_t target_used_slots(const struct target *target)
{
    uint32_t slots = atomic_load_explicit(&target->segment->header.used_slots, memory_order_relaxed);
    return slots < LAYOUT_THREADS ? slots : LAYOUT_THREADS - 1;
}

uint32_t target_recorded(const struct target *target)
{
    return atomic_load_explicit(&target->segment->control.profiles, memory_order_relaxed);
}

bool target_records_threads(const struct target *target)
{
    return target_recorded(target) & TARGET_THREAD_PROFILES;
}

uint64_t target_ticks_now(const struct target *target)
{
    return target->segment->header.flags & SEGMENT_NS_TICKS
               ? (uint64_t)(monotonic_ns() + target->clock_offset_ns)
               : ticks_read();
}

/* Ticks are converted by two pairs of readings: of the process's start, and of now. */
uint64_t target_ticks_to_ns(const struct target *target, uint64_t amount)
{
    const struct seg_header *header = &target->segment->header;
    double time_ns = (double)monotonic_ns() - (double)target_time(target, header->start_monotonic_ns);
    double elapsed = (double)target_ticks_now(target) - (double)header->start_ticks, ns;

    if (time_ns <= 0 || elapsed <= 0)
        return 0;
    ns = (double)amount * time_ns / elapsed;
    return ns < 1e18 ? (uint64_t)ns : 0;
}

int64_t target_time(const struct target *target, uint64_t its_ns)
{
    int64_t ours_ns = (int64_t)((its_ns & INT64_MAX) - (uint64_t)target->clock_offset_ns);
    return ours_ns > 0 ? ours_ns : 0; /* the segment may say anything */
}

int64_t target_time_of_ticks(const struct target *target, uint64_t ticks, int64_t now_ns)
{
    uint64_t now = target_ticks_now(target);
    return ticks < now ? now_ns - (int64_t)target_ticks_to_ns(target, now - ticks) : now_ns;
}

int64_t target_exit_time(const struct target *target)
{
    const struct seg_header *header = &target->segment->header;

    /* The acquire pairs with process_exit()'s release. A first process of a container waits there for the uploader. */
    if (!atomic_load_explicit(&header->ended, memory_order_acquire) || header->flags & SEGMENT_PID1)
        return INT64_MAX;
    return target_time_of_ticks(target, atomic_load_explicit(&header->ended_ticks, memory_order_relaxed),
                                monotonic_ns());
}

const char *target_thread_name(struct target *target, uint32_t index)
{
    struct seg_name *name;
    char raw[sizeof name->text + 1] = "", text[sizeof raw];

    if (index < TARGET_NAMES && target->name[index])
        return target->name[index];
    if (index >= LAYOUT_NAMES)
        return "";
    name = &target->segment->name[index];
    /* Pairs with the release in the target's name table: the text is complete. */
    if (atomic_load_explicit(&name->state, memory_order_acquire) != 2)
        return "";
    memcpy(raw, name->text, sizeof name->text);
    utf8_clean(text, sizeof text, raw, true);
    target->name[index] = programs_thread_name(target->programs, text);
    return target->name[index] ? target->name[index] : "";
}

uint32_t target_own_name(struct target *target, const char text[16])
{
    char clean[17];
    const char *name;
    uint32_t index = 1;

    utf8_clean(clean, sizeof clean, text, true);
    name = programs_thread_name(target->programs, clean);
    for (; name && index < TARGET_NAMES; index++) {
        if (target_thread_name(target, index) == name)
            return index;
        if (index >= LAYOUT_NAMES && !target->name[index]) {
            target->name[index] = name;
            return index;
        }
    }
    return 0;
}
