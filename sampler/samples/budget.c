/* SPDX-License-Identifier: Apache-2.0 */
#include "budget.h"

#include <time.h>

#include "sampler/base/clock.h"
#include "sampler/process/process.h"
#include "sampler/threads/thread_slots.h"

#include "sampler/base/poison.h"

enum { WINDOW = 16, MOST_DOUBLED = 6, IDLE_SHARE = 4, ALL_PPM = 1000000 };

uint64_t budget_rate(uint32_t slot, enum profile_type profile, uint64_t rate)
{
    unsigned doubled = slot_private[slot].budget_doubled;
    return __builtin_expect(!doubled, 1) || process_rate_is_given(profile) || rate >> (63 - MOST_DOUBLED)
               ? rate
               : rate << doubled;
}

/* Of the thread's time since the last window, what counts, in ns. */
static uint64_t time_of_window(struct slot_private *own)
{
    uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), ticks = clock_ticks();
    uint64_t used_ns = cpu_ns - own->budget_cpu_ns,
             least_ns = clock_ns_of(ticks - own->budget_since) / IDLE_SHARE;

    own->budget_cpu_ns = cpu_ns;
    own->budget_since = ticks;
    return used_ns > least_ns ? used_ns : least_ns;
}

/* The clocks are asked once in a window. The first window of a thread has no beginning. */
void budget_count(uint32_t slot, uint64_t ticks)
{
    struct slot_private *own = &slot_private[slot];
    bool is_first = !own->budget_since;
    uint64_t time_ns, cost;

    own->budget_ticks += ticks;
    if (++own->budget_samples < WINDOW)
        return;
    time_ns = time_of_window(own);
    cost = clock_ns_of(own->budget_ticks) * ALL_PPM;
    own->budget_samples = 0;
    own->budget_ticks = 0;
    if (is_first)
        return;
    if (cost > time_ns * process_budget_ppm() && process_budget_ppm() && own->budget_doubled < MOST_DOUBLED)
        own->budget_doubled++;
    else if (cost * 4 < time_ns * process_budget_ppm() && own->budget_doubled > 0)
        own->budget_doubled--;
}
