/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <stdatomic.h>
#include <sys/prctl.h>

#include "seccomp.h"
#include "sys.h"

#include "poison.h"

/* Both clocks are read within 100 ns of each other: over 100 ms that is 1e-6. */
static const uint64_t enough_ns = 100000000;
enum { RATE_SHIFT = 32 };

static clock_function *vdso;
_Atomic bool clock_is_banned;
static bool was_never_allowed;
static uint64_t first_ticks, first_ns;        /* of the start; 0 if the counter was banned then */
static uint64_t last_ticks, last_ns;          /* of the ban */
static uint64_t kept_ticks, kept_realtime_ns; /* realtime less monotonic */
static _Atomic uint64_t kept_ns;              /* when clock_gettime() was forbidden; 0: it was not */
static _Atomic uint64_t rate;                 /* ns of a tick << RATE_SHIFT; 0: not known */
static _Atomic uint32_t settled;              /* 1: rate changes no more */

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

void clock_keep(void)
{
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), now_ticks = clock_ticks();
    if (ticks_banned() || !seccomp_allows(CALL(clock_gettime)))
        return;
    find_rate(now_ns, now_ticks);
    kept_realtime_ns = clock_ns(CLOCK_REALTIME) - now_ns;
    kept_ticks = now_ticks;
    atomic_store_explicit(&kept_ns, now_ns, memory_order_release);
}

/* Acquire: pairs with the release in clock_keep(). */
static uint64_t compute_ns(clockid_t clock)
{
    uint64_t ns = atomic_load_explicit(&kept_ns, memory_order_acquire);
    uint64_t ticks = arch_ticks(), per_tick = atomic_load_explicit(&rate, memory_order_relaxed);
    if (!ns || !per_tick)
        return 0;
    if (ticks > kept_ticks) /* another processor's counter may be some ticks behind */
        ns += (uint64_t)((unsigned __int128)(ticks - kept_ticks) * per_tick >> RATE_SHIFT);
    return clock == CLOCK_REALTIME ? ns + kept_realtime_ns : ns;
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
    if (__builtin_expect(!atomic_load_explicit(&settled, memory_order_relaxed), 0) && !ticks_banned() &&
        seccomp_allows(CALL(clock_gettime)))
        find_rate(clock_ns(CLOCK_MONOTONIC), arch_ticks());
    return (uint64_t)((unsigned __int128)ticks * atomic_load_explicit(&rate, memory_order_relaxed) >>
                      RATE_SHIFT);
}

uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    if (!seccomp_allows(CALL(clock_gettime)))
        return ticks_banned() ? 0 : compute_ns(clock);
    if (!ticks_banned() && vdso)
        vdso(clock, &now);
    else
        sys_call(SYS_clock_gettime, clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
