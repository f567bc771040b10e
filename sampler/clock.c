/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <stdatomic.h>
#include <sys/prctl.h>

#include "sys.h"
#include "unwind.h"

#include "poison.h"

/* Both clocks are read within 100 ns of each other: over 100 ms that is 1e-6. */
static const uint64_t enough_ns = 100000000;
enum { RATE_SHIFT = 32 };

static clock_function *vdso;
_Atomic bool clock_is_banned;
static bool was_never_allowed;
static uint64_t first_ticks, first_ns; /* of the start; 0, too, when banned then */
static uint64_t last_ticks, last_ns;   /* of the ban */
static _Atomic uint64_t rate;          /* ns of a tick << RATE_SHIFT; 0: not known */
static _Atomic uint32_t settled;       /* 1: rate changes no more */

static bool ticks_banned(void)
{
    return __builtin_expect(atomic_load_explicit(&clock_is_banned, memory_order_acquire), 0);
}

static bool asks_banned(void)
{
    int mode = PR_TSC_ENABLE;
    return !sys_call(SYS_prctl, PR_GET_TSC, &mode) && mode == PR_TSC_SIGSEGV;
}

void clock_use(clock_function *function)
{
    vdso = function;
}

void clock_fork_child(void)
{
    if (ticks_banned() || atomic_load_explicit(&settled, memory_order_relaxed))
        return;
    first_ns = clock_ns(CLOCK_MONOTONIC);
    first_ticks = arch_ticks();
}

void clock_start(void)
{
    if (asks_banned()) {
        was_never_allowed = true;
        atomic_store_explicit(&rate, UINT64_C(1) << RATE_SHIFT, memory_order_relaxed);
        atomic_store_explicit(&settled, 1, memory_order_relaxed);
        atomic_store_explicit(&clock_is_banned, true, memory_order_release);
        return;
    }
    first_ns = clock_ns(CLOCK_MONOTONIC);
    first_ticks = arch_ticks();
}

static void find_rate(uint64_t now_ns, uint64_t now_ticks)
{
    uint64_t ns = now_ns - first_ns, ticks = now_ticks - first_ticks;
    if (!first_ticks || !ticks || !ns)
        return;
    atomic_store_explicit(&rate, (uint64_t)((double)ns / (double)ticks * (double)(UINT64_C(1) << RATE_SHIFT)),
                          memory_order_relaxed);
    if (ns >= enough_ns)
        atomic_store_explicit(&settled, 1, memory_order_relaxed);
}

void clock_stop_ticks(void)
{
    if (ticks_banned())
        return;
    last_ns = clock_ns(CLOCK_MONOTONIC);
    last_ticks = arch_ticks();
    find_rate(last_ns, last_ticks);
    atomic_store_explicit(&clock_is_banned, true, memory_order_release);
}

uint64_t clock_ticks_of_monotonic(void)
{
    uint64_t ns = clock_ns(CLOCK_MONOTONIC), per_tick = atomic_load_explicit(&rate, memory_order_relaxed);
    if (!per_tick || ns < last_ns)
        return 0;
    return last_ticks + (uint64_t)(((unsigned __int128)(ns - last_ns) << RATE_SHIFT) / per_tick);
}

bool clock_ticks_are_ns(void)
{
    return was_never_allowed;
}

uint64_t clock_ns_of(uint64_t ticks)
{
    if (__builtin_expect(!atomic_load_explicit(&settled, memory_order_relaxed), 0) && !ticks_banned())
        find_rate(clock_ns(CLOCK_MONOTONIC), arch_ticks());
    return (uint64_t)((unsigned __int128)ticks * atomic_load_explicit(&rate, memory_order_relaxed) >>
                      RATE_SHIFT);
}

uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    if (!ticks_banned() && vdso)
        vdso(clock, &now);
    else if (system_calls_allowed())
        sys_call(SYS_clock_gettime, clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
