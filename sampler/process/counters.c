/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include "sampler/base/clock.h"

#include "sampler/base/poison.h"

void segment_count(struct segment *segment, enum counter counter, uint64_t n)
{
    if (segment)
        atomic_fetch_add_explicit(&segment->counter[counter], n, memory_order_relaxed);
}

static uint64_t longest_ticks(void)
{
    static const uint64_t longest_ns = 250000;
    static _Atomic uint64_t known;
    uint64_t ticks = atomic_load_explicit(&known, memory_order_relaxed), long_ns;

    if (__builtin_expect(!ticks, 0)) {
        long_ns = clock_ns_of(UINT64_C(1) << 30);
        ticks = long_ns ? (longest_ns << 30) / long_ns : UINT64_MAX;
        atomic_store_explicit(&known, ticks, memory_order_relaxed);
    }
    return ticks;
}

uint64_t segment_count_ticks(struct segment *segment, enum counter counter, uint64_t since)
{
    uint64_t now = clock_ticks(), ticks = now > since ? now - since : 0;

    ticks = ticks < longest_ticks() ? ticks : longest_ticks();
    segment_count(segment, counter, ticks);
    return ticks;
}

void process_count(enum counter counter, uint64_t n)
{
    if (process_mark && atomic_load_explicit(&process_mark->state, memory_order_acquire) == STARTED)
        segment_count(atomic_load_explicit(&process_current, memory_order_acquire), counter, n);
}
