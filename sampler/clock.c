/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "arch.h"

#include "poison.h"

/* Both clocks are read within 100 ns of each other: over 100 ms that is 1e-6. */
static const uint64_t enough_ns = 100000000;

static uint64_t first_ticks, first_ns;
static _Atomic uint64_t rate;    /* ns of a tick * 2^32; 0: not known */
static _Atomic uint32_t settled; /* 1: rate changes no more */

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void clock_start(void)
{
    first_ns = monotonic_ns();
    first_ticks = arch_ticks();
}

static void find_rate(void)
{
    uint64_t ns = monotonic_ns() - first_ns, ticks = arch_ticks() - first_ticks;
    if (!first_ticks || !ticks || !ns)
        return;
    atomic_store_explicit(&rate, (uint64_t)((double)ns / (double)ticks * 4294967296.0), memory_order_relaxed);
    if (ns >= enough_ns)
        atomic_store_explicit(&settled, 1, memory_order_relaxed);
}

uint64_t clock_ns(uint64_t ticks)
{
    if (__builtin_expect(!atomic_load_explicit(&settled, memory_order_relaxed), 0))
        find_rate();
    return (uint64_t)((unsigned __int128)ticks * atomic_load_explicit(&rate, memory_order_relaxed) >> 32);
}
