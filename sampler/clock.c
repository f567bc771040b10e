/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "sys.h"

#include "poison.h"

static _Atomic bool is_banned;

static bool ticks_banned(void)
{
    return __builtin_expect(atomic_load_explicit(&is_banned, memory_order_relaxed), 0);
}

void clock_start(void)
{
    int mode = PR_TSC_ENABLE;
    if (!sys_call(SYS_prctl, PR_GET_TSC, &mode) && mode == PR_TSC_SIGSEGV)
        clock_stop_ticks();
}

void clock_stop_ticks(void)
{
    atomic_store_explicit(&is_banned, true, memory_order_relaxed);
}

uint64_t clock_ticks(void)
{
    return ticks_banned() ? 0 : arch_ticks();
}

uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    if (ticks_banned())
        sys_call(SYS_clock_gettime, clock, &now);
    else
        clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
