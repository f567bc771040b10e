/* SPDX-License-Identifier: Apache-2.0 */
#include "missed_ticks.h"

#include <time.h>

#include "sampler/base/sys.h"
#include "sampler/base/weights.h"
#include "thread_slots.h"

#include "sampler/base/poison.h"

enum { SITES = 256, HEAVIEST = 16 };
static _Atomic int64_t missed_ns[SITES]; /* periods may be of different lengths */

static _Atomic int64_t *missed_at(uint64_t site)
{
    return &missed_ns[(site * UINT64_C(0x9e3779b97f4a7c15) >> 40) % SITES];
}

/* The stack of the creator distinguishes C++ and Rust threads, which all begin in the same function. */
uint64_t creation_site(const struct segment *segment, uint32_t slot)
{
    return (uint64_t)(uintptr_t)slot_private[slot].start ^ (uint64_t)segment->thread[slot].created_stack
                                                               << 32;
}

void missed_ticks_add(uint64_t site, uint64_t periods, uint32_t most, uint32_t period_ns)
{
    periods = periods < most ? periods : most;
    atomic_fetch_add_explicit(missed_at(site), (int64_t)(periods * period_ns), memory_order_relaxed);
}

/* The coarse clock is set by the kernel's tick, so its resolution is one tick. */
uint64_t kernel_tick_ns(void)
{
    static _Atomic uint64_t known;
    uint64_t tick = atomic_load_explicit(&known, memory_order_relaxed);
    struct timespec resolution = {0, 0};

    if (!tick) {
        sys_call(SYS_clock_getres, CLOCK_MONOTONIC_COARSE, &resolution);
        tick = resolution.tv_sec || resolution.tv_nsec <= 0 ? 4000000 : (uint64_t)resolution.tv_nsec;
        atomic_store_explicit(&known, tick, memory_order_relaxed);
    }
    return tick;
}

/* tick / cpu_ns, rounded up or down at random so that it is that on average. */
static int32_t weight_at(uint64_t cpu_ns)
{
    uint64_t tick = kernel_tick_ns(), least = tick / HEAVIEST;

    if (cpu_ns >= tick)
        return 1;
    cpu_ns = cpu_ns > least ? cpu_ns : least;
    return (int32_t)((tick + random_bits() % cpu_ns) / cpu_ns);
}

uint32_t missed_ticks_take(uint64_t site, uint32_t periods, uint64_t cpu_ns, uint32_t period_ns)
{
    int64_t more = (int64_t)(weight_at(cpu_ns) - 1) * periods;
    int64_t known_ns = atomic_exchange_explicit(missed_at(site), 0, memory_order_relaxed);
    int64_t due = periods + more + known_ns / period_ns, taken = due < 1 ? 1 : due;

    atomic_fetch_add_explicit(missed_at(site), known_ns - (taken - periods) * period_ns,
                              memory_order_relaxed);
    return (uint32_t)taken;
}

void missed_ticks_forget(void)
{
    for (int i = 0; i < SITES; i++)
        atomic_store_explicit(&missed_ns[i], 0, memory_order_relaxed);
}
