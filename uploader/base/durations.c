/* SPDX-License-Identifier: Apache-2.0 */
#include "durations.h"

#include "clock.h"

#define X(ms) ms,
const unsigned duration_bounds[DURATION_CLASSES - 1] = {DURATION_BOUNDS(X)};
#undef X

void durations_add(struct durations *durations, int64_t ns)
{
    unsigned class = 0;

    if (ns < 0)
        ns = 0;
    while (class < DURATION_CLASSES - 1 && ns > duration_bounds[class] * MS_NS)
        class ++;
    durations->count[class]++;
    durations->sum_ns += (uint64_t)ns;
}
