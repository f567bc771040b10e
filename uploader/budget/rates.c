/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"

#include <stddef.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

/* What a profile that was off at start gets, and what keeps a typing error from hurting. */
static const struct {
    uint64_t usual, least, most;
} limits[PROFILES] = {
    [PROFILE_CPU] = {NS_PER_S / 100, RATES_CPU_PERIOD_LEAST_NS, NS_PER_S},
    [PROFILE_MEMORY] = {512 << 10, 1, UINT64_C(1) << 40},
    [PROFILE_MUTEX] = {10, 1, UINT64_C(1) << 30},
    [PROFILE_BLOCK] = {10000000, 1, UINT64_C(1) << 40},
    [PROFILE_WALL] = {NS_PER_S / 19, RATES_WALL_PERIOD_LEAST_NS, 3600 * NS_PER_S},
};

uint64_t *rates_of(struct rates *rates, enum profile_type profile)
{
    switch (profile) {
    case PROFILE_CPU:
        return &rates->cpu_period_ns;
    case PROFILE_MEMORY:
        return &rates->memory_rate;
    case PROFILE_MUTEX:
        return &rates->mutex_fraction;
    case PROFILE_BLOCK:
        return &rates->block_rate_ns;
    case PROFILE_WALL:
        return &rates->wall_period_ns;
    default:
        return NULL;
    }
}

static void bring_into_limits(struct rates *rates)
{
    for (int i = 0; i < PROFILES; i++) {
        uint64_t *rate = rates_of(rates, (enum profile_type)i);
        if (!rate || !*rate)
            continue;
        *rate = *rate < limits[i].least ? limits[i].least : *rate;
        *rate = *rate > limits[i].most ? limits[i].most : *rate;
    }
}

/* Wall samples are taken at the session's rate if the process has none of its own. */
static void give_rates(struct rates *rates, uint32_t profiles)
{
    for (int i = 0; i < PROFILES; i++) {
        uint64_t *rate = rates_of(rates, (enum profile_type)i);
        if (profiles >> i & 1 && rate && !*rate && i != PROFILE_WALL)
            *rate = limits[i].usual;
    }
}

void rates_change(struct rates *rates, const struct rates_change *change)
{
    struct rates to = change->to;

    for (int i = 0; i < PROFILES; i++) {
        uint64_t *rate = rates_of(rates, (enum profile_type)i);
        if (rate && change->rates >> i & 1)
            *rate = *rates_of(&to, (enum profile_type)i);
    }
    rates->given = change->loose ? rates->given & ~change->rates : rates->given | change->rates;
    rates->profiles = ((rates->profiles | change->on) & ~change->off) & PROFILES_READY;
    give_rates(rates, change->on);
    bring_into_limits(rates);
}

bool rates_are_same(const struct rates *a, const struct rates *b)
{
    return a->profiles == b->profiles && a->cpu_period_ns == b->cpu_period_ns &&
           a->memory_rate == b->memory_rate && a->mutex_fraction == b->mutex_fraction &&
           a->block_rate_ns == b->block_rate_ns && a->wall_period_ns == b->wall_period_ns &&
           a->given == b->given;
}
