/* SPDX-License-Identifier: Apache-2.0 */
#include "round.h"

#include <string.h>

#include "drain.h"
#include "segment.h"
#include "uploader/base/clock.h"

enum { NAMING_MS = 50 }; /* most time spent on names ahead of a round, per target and second */

/* Most stacks come early. The pauses double, because each time debug information may have to be read anew. */
void target_name_ahead(struct target *target, int64_t now_ns)
{
    const int64_t until_ns = now_ns + NAMING_MS * MS_NS;

    if (now_ns < target->next_naming_ns)
        return;
    target->naming_gap_ns = target->naming_gap_ns ? 2 * target->naming_gap_ns : SECOND_NS;
    target->next_naming_ns = now_ns + target->naming_gap_ns;
    for (unsigned b = 0; b < LAYOUT_BANKS; b++) {
        struct seg_bank *bank = &target->segment->bank[b];
        uint32_t generation = atomic_load_explicit(&bank->generation, memory_order_relaxed);
        uint32_t samples = atomic_load_explicit(&bank->samples, memory_order_relaxed);

        for (uint32_t *i = &target->named[b]; *i < samples && *i < LAYOUT_SAMPLES; ++*i) {
            uint64_t key = atomic_load_explicit(&bank->sample[*i].key, memory_order_acquire);
            if (key)
                stacks_get(target->stacks, generation, sample_key_stack(key));
            if (monotonic_ns() >= until_ns)
                return;
        }
    }
}

static int64_t rate_of(_Atomic uint64_t *rate)
{
    return (int64_t)(atomic_load_explicit(rate, memory_order_relaxed) & INT64_MAX);
}

static void take_periods(struct target *target)
{
    struct seg_control *control = &target->segment->control;
    int64_t *period = target->program->period;

    period[KIND_ID_CPU] = atomic_load_explicit(&control->cpu_period_ns, memory_order_relaxed);
    period[KIND_ID_MEMORY] = rate_of(&control->memory_rate);
    period[KIND_ID_MUTEX] = rate_of(&control->mutex_fraction);
    period[KIND_ID_BLOCK] = rate_of(&control->block_rate_ns);
    period[KIND_ID_WALL] = period[KIND_ID_OFF_CPU] = target->wall_period_ns > target->programs->wall_period_ns
                                                         ? target->wall_period_ns
                                                         : target->programs->wall_period_ns;
    period[KIND_ID_THREADS] = period[KIND_ID_THREADCREATE] = 1;
}

static void count_costs(struct target *target, const uint64_t before[COUNTERS])
{
    static const struct {
        enum counter counter;
        enum cost cost;
    } ticks[] = {{COUNT_CPU_TICKS, COST_CPU},
                 {COUNT_ALLOC_TICKS, COST_MEMORY},
                 {COUNT_MUTEX_TICKS, COST_MUTEX},
                 {COUNT_BLOCK_TICKS, COST_BLOCK}};

    for (size_t i = 0; i < sizeof ticks / sizeof ticks[0]; i++) {
        uint64_t now = target->program->counts.counter[ticks[i].counter];
        program_count_own(target->program, ticks[i].cost,
                          target_ticks_to_ns(target, now - before[ticks[i].counter]));
    }
}

void target_drain_counters(struct target *target)
{
    uint64_t before[COUNTERS];

    memcpy(before, target->program->counts.counter, sizeof before);
    drain_counters(target);
    count_costs(target, before);
}

void target_drain_samples(struct target *target)
{
    target_drain_counters(target);
    for (unsigned b = 0; b < LAYOUT_BANKS; b++)
        drain_bank(target, b);
    take_periods(target); /* they may have been changed meanwhile */
}

void target_drain_states(struct target *target)
{
    const uint32_t any = 1u << PROFILE_MEMORY | 1u << PROFILE_THREADS | 1u << PROFILE_THREADCREATE;
    uint32_t profiles = target_recorded(target);

    if (target->has_state)
        program_clear_state(target->program, target->pid);
    target->has_state = profiles & any;
    if (profiles >> PROFILE_MEMORY & 1)
        drain_live(target);
    if (profiles >> PROFILE_THREADCREATE & 1)
        drain_created(target);
}

void target_set_accounted(struct target *target, int64_t until_ns)
{
    target->wall_drained_ns = (uint64_t)(until_ns + target->clock_offset_ns);
    target->resumed = false;
}

void target_commit(struct target *target)
{
    for (unsigned b = 0; b < LAYOUT_BANKS; b++)
        drain_commit(target, b);
    if (target->wall_drained_ns)
        atomic_store_explicit(&target->segment->control.wall_acked_ns, target->wall_drained_ns,
                              memory_order_relaxed);
    target->wall_drained_ns = 0;
}

/* What the target counted while it made the copy is in the original alone. So no more is acknowledged than
   the copy has. */
static void acked_copy_value(struct seg_sample *to, const struct seg_sample *from, int i)
{
    uint64_t acked = atomic_load_explicit(&from->acked[i], memory_order_relaxed),
             value = atomic_load_explicit(&to->value[i], memory_order_relaxed);
    atomic_store_explicit(&to->acked[i], acked < value ? acked : value, memory_order_relaxed);
}

static void acked_copy(struct seg_bank *to, const struct seg_bank *from)
{
    uint32_t samples = atomic_load_explicit(&from->samples, memory_order_relaxed);

    if (atomic_load_explicit(&from->generation, memory_order_relaxed) !=
        atomic_load_explicit(&to->generation, memory_order_relaxed))
        return;
    for (uint32_t i = 0; i < samples && i < LAYOUT_SAMPLES; i++) {
        if (atomic_load_explicit(&from->sample[i].key, memory_order_relaxed) !=
            atomic_load_explicit(&to->sample[i].key, memory_order_relaxed))
            continue;
        for (int v = 0; v < LAYOUT_VALUES; v++)
            acked_copy_value(&to->sample[i], &from->sample[i], v);
    }
}

void target_resume(struct target *target, const struct target *old)
{
    for (unsigned b = 0; b < LAYOUT_BANKS; b++)
        acked_copy(&target->segment->bank[b], &old->segment->bank[b]);
    memcpy(target->counter, old->counter, sizeof target->counter);
    target->cpu_clock_ns = old->cpu_clock_ns;
    target->cpu_counted_ns = old->cpu_counted_ns;
    target->cpu_sampled_ns = old->cpu_sampled_ns;
    target->has_state = old->has_state;
    target->resumed = false;
}
