/* SPDX-License-Identifier: Apache-2.0 */
#include "time_balance.h"

enum { SAMPLES_OFF = 2, DEVIATIONS = 3 };

void times_add(int64_t *sum, int64_t ns)
{
    if (__builtin_add_overflow(*sum, ns, sum))
        *sum = INT64_MAX;
}

int64_t times_total(const struct times *times)
{
    int64_t total = times->running_ns;

    times_add(&total, times->blocked_ns);
    times_add(&total, times->unseen_ns);
    return total;
}

/* What is left of the time that was seen running may be the looks' luck, where the same threads were seen
   blocked, too: the variance of a share that was estimated by n looks. */
static bool is_luck(const struct times *times, int64_t period_ns, int64_t left_ns)
{
    double looks = (double)(times->running_looks + times->blocked_looks), over;

    if (!times->blocked_ns && !times->unseen_ns)
        return false;
    over = (double)left_ns - SAMPLES_OFF * (double)period_ns;
    return over <= 0 || (looks >= 1 && over * over <= DEVIATIONS * DEVIATIONS * (double)times->running_ns *
                                                          (double)times->blocked_ns / looks);
}

static int64_t at_most(int64_t ns, int64_t most)
{
    return ns < 0 || most < 0 ? 0 : ns < most ? ns : most;
}

/* Nothing is known but what the looks have seen: the unseen is divided as that is. */
static void settle_by_looks(const struct times *times, struct times_settled *settled)
{
    double seen = (double)times->running_ns + (double)times->blocked_ns;

    *settled = (struct times_settled){.scale = 1, .running_ns = times->running_ns};
    if (seen <= 0) {
        settled->unseen_ns = times->unseen_ns;
        return;
    }
    settled->scale += (double)times->unseen_ns / seen;
    settled->running_ns = (int64_t)((double)times->running_ns * settled->scale);
}

void times_settle(const struct times *times, bool has_cpu, int64_t period_ns, struct times_settled *settled)
{
    int64_t cpu_ns = times->cpu_ns, left_ns, blocked_ns;

    if (!has_cpu) {
        settle_by_looks(times, settled);
        return;
    }
    times_add(&cpu_ns, times->untimed_ns);
    *settled = (struct times_settled){.scale = 1};
    settled->queued_ns = at_most(times->queued_ns, times->running_ns - cpu_ns);
    left_ns = at_most(INT64_MAX, times->running_ns - cpu_ns) - settled->queued_ns;
    if (left_ns && !is_luck(times, period_ns, left_ns))
        settled->running_ns = left_ns;
    blocked_ns = at_most(INT64_MAX, times_total(times) - cpu_ns - settled->queued_ns - settled->running_ns);
    times_add(&settled->running_ns, times->untimed_ns);
    if (times->blocked_ns > 0)
        settled->scale = (double)blocked_ns / (double)times->blocked_ns;
    else
        settled->unseen_ns = blocked_ns;
}
