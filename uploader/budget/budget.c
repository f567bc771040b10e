/* SPDX-License-Identifier: Apache-2.0 */
#include "budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "uploader/base/clock.h"

enum {
    IDLE_SHARE = 4,
    CALM_STEPS = 8,
    READING_AVERAGED = 64,
    WALL_AVERAGED = 16,
    SMALL_PART = 16,
    LOWERED_MOST = 40
};

/* The rate that is lowered for each cost, and how far at most. */
static const struct {
    enum profile_type profile;
    uint64_t most;
} levers[] = {
    [COST_CPU] = {PROFILE_CPU, SECOND_NS / 10}, [COST_MEMORY] = {PROFILE_MEMORY, 32 << 20},
    [COST_MUTEX] = {PROFILE_MUTEX, 1000},       [COST_BLOCK] = {PROFILE_BLOCK, SECOND_NS},
    [COST_WALL] = {PROFILE_WALL, SECOND_NS},
};
enum { LEVERS = sizeof levers / sizeof levers[0] };

/* The wall period that was not asked for is the session's. It is at least this, so it takes so many steps at most. */
static uint64_t base_of(const struct rates *asked, unsigned lever)
{
    struct rates copy = *asked;
    return *rates_of(&copy, levers[lever].profile);
}

static uint64_t lowered_rate(uint64_t rate, unsigned lever, unsigned steps)
{
    uint64_t most = levers[lever].most;

    if (!rate || rate >= most || !steps)
        return rate;
    return steps >= 63 || rate > most >> steps ? most : rate << steps;
}

void budget_lower(const struct budget *budget, struct rates *rates, int64_t usual_wall_period_ns)
{
    for (unsigned i = 0; i < LEVERS; i++) {
        enum profile_type profile = levers[i].profile;
        uint64_t *rate = rates_of(rates, profile);
        if (rates->given >> profile & 1 || !budget->lowered[profile])
            continue;
        if (profile == PROFILE_WALL && !*rate)
            *rate = (uint64_t)usual_wall_period_ns;
        *rate = lowered_rate(*rate, i, budget->lowered[profile]);
    }
}

static bool may_lower(const struct budget *budget, const struct rates *asked, unsigned lever)
{
    enum profile_type profile = levers[lever].profile;
    uint64_t rate = base_of(asked, lever);

    if (asked->given >> profile & 1 || budget->lowered[profile] >= LOWERED_MOST)
        return false;
    if (profile == PROFILE_WALL && !rate)
        rate = (uint64_t)SECOND_NS / 19;
    return rate && lowered_rate(rate, lever, budget->lowered[profile]) < levers[lever].most;
}

/* What rates cost that are given, or as low as they may be, and the uploader's reading: no rate changes that. */
static double fixed_cost(const struct budget *budget, const struct rates *asked, const double cost[COSTS])
{
    double fixed = cost[COST_READING];

    for (unsigned i = 0; i < LEVERS; i++)
        fixed += may_lower(budget, asked, i) || budget->lowered[levers[i].profile] ? 0 : cost[i];
    return fixed;
}

/* Expects that half as many samples cost half as much. */
static bool lower(struct budget *budget, const struct rates *asked, double cost[COSTS], double sum,
                  double allowed)
{
    bool any = false;

    while (sum > allowed) {
        int largest = -1;
        for (unsigned i = 0; i < LEVERS; i++)
            if (cost[i] > allowed / SMALL_PART && may_lower(budget, asked, i) &&
                (largest < 0 || cost[i] > cost[largest]))
                largest = (int)i;
        if (largest < 0)
            break;
        budget->lowered[levers[largest].profile]++;
        cost[largest] /= 2;
        sum -= cost[largest];
        if (largest == COST_WALL)
            budget->wall_ns /= 2;
        any = true;
    }
    budget->changes += any;
    return any;
}

/* Raises what costs least. */
static bool raise_one(struct budget *budget, const double cost[COSTS], double sum, double allowed)
{
    int least = -1;

    for (unsigned i = 0; i < LEVERS; i++)
        if (budget->lowered[levers[i].profile] && sum + cost[i] <= allowed * 3 / 4 &&
            (least < 0 || cost[i] < cost[least]))
            least = (int)i;
    budget->calm = least < 0 ? 0 : budget->calm + 1;
    if (budget->calm < CALM_STEPS)
        return false;
    budget->calm = 0;
    budget->lowered[levers[least].profile]--;
    if (least == COST_WALL)
        budget->wall_ns *= 2;
    return true;
}

static double base_time(int64_t cpu_ns, int64_t elapsed_ns)
{
    int64_t least_ns = elapsed_ns / IDLE_SHARE;
    return (double)(cpu_ns > least_ns ? cpu_ns : least_ns);
}

bool budget_step(struct budget *budget, const struct rates *asked, int64_t now_ns)
{
    int64_t elapsed_ns = now_ns - budget->step_ns;
    double cost[COSTS], sum = 0, base, fixed;

    if (budget->step_ns && elapsed_ns < SECOND_NS / 2)
        return false;
    for (int i = 0; i < COSTS; i++)
        cost[i] = (double)(budget->costs.ns[i] - budget->before.ns[i]);
    base = base_time(budget->costs.cpu_ns - budget->before.cpu_ns, budget->step_ns ? elapsed_ns : SECOND_NS);
    budget->before = budget->costs;
    budget->step_ns = now_ns;
    budget->reading_ns += (cost[COST_READING] - budget->reading_ns) / READING_AVERAGED;
    budget->wall_ns += (cost[COST_WALL] - budget->wall_ns) / WALL_AVERAGED;
    cost[COST_READING] = budget->reading_ns;
    cost[COST_WALL] = budget->wall_ns;
    for (int i = 0; i < COSTS; i++)
        sum += cost[i];
    budget->share = base > 0 ? sum / base : 0;
    budget->by_samples = sum - cost[COST_READING] > base * budget->limit_ppm / 1e6;
    if (!budget->limit_ppm) {
        bool was_lowered = budget_text(budget, (char[BUDGET_TEXT]){0});
        memset(budget->lowered, 0, sizeof budget->lowered);
        return was_lowered;
    }
    base *= budget->limit_ppm / 1e6;
    /* To lower the others to nothing would not hold the budget either: they have half of it. */
    fixed = fixed_cost(budget, asked, cost);
    budget->is_beyond = fixed > base;
    if (fixed > base / 2)
        base = fixed + base / 2;
    return lower(budget, asked, cost, sum, base) || raise_one(budget, cost, sum, base);
}

int64_t budget_cost(const struct budget *budget)
{
    int64_t sum = 0;
    for (int i = 0; i < COSTS; i++)
        sum += budget->costs.ns[i];
    return sum;
}

double budget_share(const struct budget *budget, int64_t lived_ns)
{
    double base = base_time(budget->costs.cpu_ns, lived_ns);
    return base > 0 ? (double)budget_cost(budget) / base : 0;
}

bool budget_text(const struct budget *budget, char text[BUDGET_TEXT])
{
#define X(id, name, ready) name,
    static const char *const names[PROFILES] = {CPROF_PROFILES(X)};
#undef X
    int used = 0;

    text[0] = 0;
    for (int i = 0; i < PROFILES; i++)
        if (budget->lowered[i] && used >= 0 && used < BUDGET_TEXT)
            used += snprintf(text + used, (size_t)(BUDGET_TEXT - used), "%s%s %" PRIu64, used ? ", " : "",
                             names[i], UINT64_C(1) << budget->lowered[i]);
    if (used > 0 && used < BUDGET_TEXT)
        snprintf(text + used, (size_t)(BUDGET_TEXT - used), " times rarer");
    return used > 0;
}
