/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"

#include "uploader/target/segment.h"

/* Nothing else is published by these. Each is read by itself, and any mix of old and new ones will do. */
#define GET(field)        atomic_load_explicit(&(field), memory_order_relaxed)
#define SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

void target_rates_asked(const struct target *target, struct rates *rates)
{
    struct seg_rates *asked = &target->segment->control.asked;

    *rates = (struct rates){.profiles = GET(asked->profiles),
                            .cpu_period_ns = GET(asked->cpu_period_ns),
                            .memory_rate = GET(asked->memory_rate),
                            .mutex_fraction = GET(asked->mutex_fraction),
                            .block_rate_ns = GET(asked->block_rate_ns),
                            .wall_period_ns = GET(asked->wall_period_ns),
                            .given = GET(asked->given)};
}

void target_rates_given(const struct target *target, struct rates *rates)
{
    const struct seg_given *given = &target->segment->header.given;

    *rates = (struct rates){.profiles = given->profiles & PROFILES_READY,
                            .cpu_period_ns = given->cpu_period_ns,
                            .memory_rate = given->memory_rate,
                            .mutex_fraction = given->mutex_fraction,
                            .block_rate_ns = given->block_rate_ns,
                            .given = given->rates_given};
}

static int64_t later(int64_t ns, uint64_t by_ns)
{
    return by_ns < (uint64_t)(INT64_MAX - ns) ? ns + (int64_t)by_ns : INT64_MAX;
}

void target_given_span(const struct target *target, int64_t *from_ns, int64_t *until_ns)
{
    const struct seg_given *given = &target->segment->header.given;

    *from_ns = later(target_time(target, given->program_start_ns), given->start_delay_ns);
    *until_ns = given->duration_ns ? later(*from_ns, given->duration_ns) : INT64_MAX;
}

void target_rates_in_force(const struct target *target, struct rates *rates)
{
    struct seg_control *control = &target->segment->control;

    target_rates_asked(target, rates);
    rates->profiles = GET(control->profiles);
    rates->cpu_period_ns = GET(control->cpu_period_ns);
    rates->memory_rate = GET(control->memory_rate);
    rates->mutex_fraction = GET(control->mutex_fraction);
    rates->block_rate_ns = GET(control->block_rate_ns);
    rates->wall_period_ns =
        (uint64_t)(target->wall_period_ns ? target->wall_period_ns : target->programs->wall_period_ns);
}

static void put_in_force(struct target *target, const struct rates *rates)
{
    struct seg_control *control = &target->segment->control;

    SET(control->cpu_period_ns, (uint32_t)rates->cpu_period_ns);
    SET(control->memory_rate, rates->memory_rate);
    SET(control->mutex_fraction, rates->mutex_fraction);
    SET(control->block_rate_ns, rates->block_rate_ns);
    if (rates->profiles & ~GET(control->profiles) & 1u << PROFILE_BLOCK)
        SET(control->block_since_ticks, target_ticks_now(target));
    SET(control->profiles, rates->profiles);
    target->wall_period_ns = (int64_t)rates->wall_period_ns;
}

void target_follow_budget(struct target *target)
{
    struct rates rates;

    target_rates_asked(target, &rates);
    target->program->budget.limit_ppm = GET(target->segment->control.asked.budget_ppm);
    budget_lower(&target->program->budget, &rates, target->programs->usual_wall_period_ns);
    put_in_force(target, &rates);
}

void target_ask_rates(struct target *target, const struct rates *rates)
{
    struct seg_rates *asked = &target->segment->control.asked;

    SET(asked->profiles, rates->profiles);
    SET(asked->cpu_period_ns, (uint32_t)rates->cpu_period_ns);
    SET(asked->memory_rate, rates->memory_rate);
    SET(asked->mutex_fraction, rates->mutex_fraction);
    SET(asked->block_rate_ns, rates->block_rate_ns);
    SET(asked->wall_period_ns, rates->wall_period_ns);
    SET(asked->given, rates->given);
    target_follow_budget(target);
}
