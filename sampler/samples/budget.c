/* SPDX-License-Identifier: Apache-2.0 */
#include "budget.h"

#include <time.h>

#include "sampler/base/clock.h"
#include "sampler/process/process.h"
#include "sampler/threads/thread_slots.h"

#include "sampler/base/poison.h"

/* The kernel is asked for the thread's CPU time once in a window, which has fewer samples when they are
   rarer: a thread that allocates less than it did is sampled as often as before after as many bytes. */
enum { FIRST_SAMPLES = 2048, WINDOW = 64, MOST_DOUBLED = 3, NS_A_SAMPLE = 2000000 };

uint64_t budget_rate(uint32_t slot, enum profile_type profile, uint64_t rate)
{
    return process_rate_is_given(profile) ? rate : rate << slot_private[slot].budget_doubled;
}

void budget_count(uint32_t slot)
{
    struct slot_private *own = &slot_private[slot];
    uint64_t now, spent, window = WINDOW >> own->budget_doubled;

    if (own->budget_first < FIRST_SAMPLES) {
        if (++own->budget_first == FIRST_SAMPLES)
            own->budget_since_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        return;
    }
    if (++own->budget_samples < window)
        return;
    now = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    spent = now - own->budget_since_ns;
    own->budget_since_ns = now;
    own->budget_samples = 0;
    if (spent < window * NS_A_SAMPLE && own->budget_doubled < MOST_DOUBLED)
        own->budget_doubled++;
    else if (spent > 4 * window * NS_A_SAMPLE && own->budget_doubled > 0)
        own->budget_doubled--;
}
