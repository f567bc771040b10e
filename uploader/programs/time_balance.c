/* SPDX-License-Identifier: Apache-2.0 */
#include "time_balance.h"

enum { SAMPLES_OFF = 2, DEVIATIONS = 3 };

void time_add(int64_t *sum, int64_t ns)
{
    if (__builtin_add_overflow(*sum, ns, sum))
        *sum = INT64_MAX;
}

int64_t time_balance_total(const struct time_balance *balance)
{
    int64_t total = balance->running_ns;

    time_add(&total, balance->blocked_ns);
    time_add(&total, balance->unseen_ns);
    return total;
}

/* Threads were seen running for left_ns longer than their CPU time. Is that within the sampling error of a share
   that n wall samples estimate? If the same threads were never seen blocked, there is no such error. */
static bool is_sampling_error(const struct time_balance *balance, int64_t period_ns, int64_t left_ns)
{
    double samples = (double)(balance->running_samples + balance->blocked_samples), over;

    if (!balance->blocked_ns && !balance->unseen_ns)
        return false;
    over = (double)left_ns - SAMPLES_OFF * (double)period_ns;
    return over <= 0 ||
           (samples >= 1 && over * over <= DEVIATIONS * DEVIATIONS * (double)balance->running_ns *
                                               (double)balance->blocked_ns / samples);
}

static int64_t at_most(int64_t ns, int64_t most)
{
    return ns < 0 || most < 0 ? 0 : ns < most ? ns : most;
}

/* Without a CPU profile. Unseen time is divided as the time that was seen. */
static void settle_by_samples(const struct time_balance *balance, struct time_settled *settled)
{
    double seen = (double)balance->running_ns + (double)balance->blocked_ns;

    *settled = (struct time_settled){.scale = 1, .running_ns = balance->running_ns};
    if (seen <= 0) {
        settled->unseen_ns = balance->unseen_ns;
        return;
    }
    settled->scale += (double)balance->unseen_ns / seen;
    settled->running_ns = (int64_t)((double)balance->running_ns * settled->scale);
}

void time_balance_settle(const struct time_balance *balance, bool has_cpu, int64_t period_ns,
                         struct time_settled *settled)
{
    int64_t cpu_ns = balance->cpu_ns, left_ns, blocked_ns;

    if (!has_cpu) {
        settle_by_samples(balance, settled);
        return;
    }
    time_add(&cpu_ns, balance->untimed_ns);
    *settled = (struct time_settled){.scale = 1};
    settled->queued_ns = at_most(balance->queued_ns, balance->running_ns - cpu_ns);
    left_ns = at_most(INT64_MAX, balance->running_ns - cpu_ns) - settled->queued_ns;
    if (left_ns && !is_sampling_error(balance, period_ns, left_ns))
        settled->running_ns = left_ns;
    blocked_ns =
        at_most(INT64_MAX, time_balance_total(balance) - cpu_ns - settled->queued_ns - settled->running_ns);
    time_add(&settled->running_ns, balance->untimed_ns);
    if (balance->blocked_ns > 0)
        settled->scale = (double)blocked_ns / (double)balance->blocked_ns;
    else
        settled->unseen_ns = blocked_ns;
}
