/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu_timer.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "missed_ticks.h"
#include "sampler/base/clock.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/base/weights.h"
#include "sampler/process/process.h"
#include "thread_local.h"
#include "thread_slots.h"

#include "sampler/base/poison.h"

enum { NS_PER_S = 1000000000 };

/* With CPU profiles off, a thread's timer still ticks once in this time, so that they can be turned on
   again. */
static const uint32_t idle_period_ns = NS_PER_S / 10;

/* The kernel says 1 ns of a timer whose signal is on its way. */
static const uint64_t about_to_fire_ns = 1;

/* CPU time that a thread uses before its slot has the time of its start. */
static const uint64_t unnoticed_ns = 1000000;

/* The clock of a thread's CPU time: the kernel's MAKE_THREAD_CPUCLOCK(tid, CPUCLOCK_SCHED). */
static long thread_clock(int tid)
{
    return (long)(int)(~(unsigned)tid << 3 | 4 | 2);
}

static void set_period(int timer, uint32_t period_ns, uint64_t first_ns, int flags)
{
    struct itimerspec spec = {
        .it_interval = {period_ns / NS_PER_S, period_ns % NS_PER_S},
        .it_value = {(time_t)(first_ns / NS_PER_S), (long)(first_ns % NS_PER_S)},
    };
    sys_call(SYS_timer_settime, timer, flags, &spec, 0);
}

/* The first period is a random part of a whole one, so that a thread that lives for less is sampled in
   proportion. */
static uint64_t random_first(uint32_t period_ns)
{
    return 1 + random_bits() % period_ns;
}

/* first_ns: the CPU time at which it is due first; 0: at random from now on. Returns 1 + the timer's id, or
   negative errno. */
static int make_timer(int tid, uint32_t slot, uint32_t period_ns, uint64_t first_ns)
{
    struct sigevent event;
    int timer = 0;
    long result;

    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGPROF;
    event.sigev_value.sival_ptr = (void *)(CPU_TIMER_COOKIE | slot);
    event._sigev_un._tid = tid;
    result = sys_call(SYS_timer_create, thread_clock(tid), &event, &timer);
    if (result < 0)
        return (int)result;
    if (first_ns)
        set_period(timer, period_ns, first_ns, TIMER_ABSTIME);
    else
        set_period(timer, period_ns, random_first(period_ns), 0);
    return timer + 1;
}

static uint32_t wanted_period(const struct segment *segment)
{
    uint32_t period = atomic_load_explicit(&segment->control.cpu_period_ns, memory_order_relaxed);
    uint32_t profiles = atomic_load_explicit(&segment->control.profiles, memory_order_relaxed);
    if (!period || !(profiles & 1u << PROFILE_CPU))
        return idle_period_ns;
    return period < 100000 ? 100000 : period > NS_PER_S ? NS_PER_S : period;
}

void cpu_timer_prepare(const struct segment *segment, uint32_t slot)
{
    struct slot_private *own = &slot_private[slot];
    own->period_ns = wanted_period(segment);
    own->is_idle = !cpu_is_wanted(segment);
    own->first_ns = random_first(own->period_ns);
    own->counted = 0;
    own->carried = 0;
}

int cpu_timer_start(struct segment *segment, uint32_t slot, int tid)
{
    struct slot_private *own = &slot_private[slot];
    int32_t expected = SLOT_TIMER_NOT_YET;
    int timer;

    if (!seccomp_allows(CALLS_TIMER) ||
        atomic_load_explicit(&own->timer, memory_order_relaxed) != SLOT_TIMER_NOT_YET)
        return 0;
    if (!own->first_ns) {
        own->period_ns = wanted_period(segment);
        own->is_idle = !cpu_is_wanted(segment);
    }
    timer = make_timer(tid, slot, own->period_ns, own->first_ns);
    if (timer < 0 && timer != -EINVAL)
        segment_count(segment, COUNT_LOST_TIMER, 1);
    /* The adopted thread may have ended meanwhile, and its slot may be another thread's. Or timers are no
       longer wanted (cpu_timer_suspend()). */
    if (atomic_load_explicit(&own->tid, memory_order_relaxed) != tid ||
        !atomic_compare_exchange_strong_explicit(&own->timer, &expected, timer > 0 ? timer : SLOT_TIMER_NONE,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        if (timer > 0)
            sys_call(SYS_timer_delete, timer - 1);
        return 0;
    }
    if (timer > 0)
        atomic_fetch_or_explicit(&segment->thread[slot].flags, THREAD_HAS_TIMER, memory_order_relaxed);
    return timer < 0 ? timer : 0;
}

void cpu_timer_stop(uint32_t slot)
{
    int timer = atomic_load_explicit(&slot_private[slot].timer, memory_order_relaxed);
    if (timer == SLOT_TIMER_NEVER)
        return;
    timer = atomic_exchange_explicit(&slot_private[slot].timer, SLOT_TIMER_NONE, memory_order_relaxed);
    if (timer > 0 && seccomp_allows(CALL(timer_delete)))
        sys_call(SYS_timer_delete, timer - 1);
}

static unsigned each_timer(bool all, void (*change)(struct segment *, uint32_t))
{
    struct segment *segment = process_attached();
    uint32_t used = segment ? atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed) : 0;
    unsigned changed = 0;
    for (uint32_t slot = 1; slot < used && slot < LAYOUT_THREADS; slot++)
        if ((all || slot == thread_local_state.slot) &&
            atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed)) {
            change(segment, slot);
            changed++;
        }
    return changed;
}

static void suspend(struct segment *segment, uint32_t slot)
{
    cpu_timer_stop(slot);
    atomic_fetch_and_explicit(&segment->thread[slot].flags, ~(uint32_t)THREAD_HAS_TIMER,
                              memory_order_relaxed);
}

static void resume(struct segment *segment, uint32_t slot)
{
    if (atomic_load_explicit(&slot_private[slot].timer, memory_order_relaxed) != SLOT_TIMER_NONE)
        return;
    slot_private[slot].first_ns = slot_private[slot].counted = 0;
    atomic_store_explicit(&slot_private[slot].timer, SLOT_TIMER_NOT_YET, memory_order_relaxed);
    cpu_timer_start(segment, slot, atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed));
}

void cpu_timer_stop_unattached(void)
{
    int timer = thread_local_state.timer;
    thread_local_state.timer = 0;
    if (timer && seccomp_allows(CALL(timer_delete)))
        sys_call(SYS_timer_delete, timer - 1);
}

unsigned cpu_timer_suspend(bool all)
{
    cpu_timer_stop_unattached();
    return each_timer(all, suspend);
}

void cpu_timer_resume(bool all)
{
    each_timer(all, resume);
}

void cpu_timer_start_unattached(void)
{
    uint32_t period_ns = process_cpu_period();
    int timer =
        period_ns && seccomp_allows(CALLS_TIMER) ? make_timer((int)sys_call(SYS_gettid), 0, period_ns, 0) : 0;
    thread_local_state.timer = timer > 0 ? timer : 0;
}

/* Most threads have not lived so long, and are spared the system call. */
void cpu_timer_settle(const struct segment *segment, uint32_t slot)
{
    const struct slot_private *own = &slot_private[slot];
    uint64_t next_ns = own->first_ns + own->counted * own->period_ns, cpu_ns;
    uint64_t lived_ns = clock_ns(CLOCK_MONOTONIC) - segment->thread[slot].start_monotonic_ns;

    if (!own->first_ns || own->is_idle || !cpu_is_wanted(segment) || lived_ns + unnoticed_ns < next_ns ||
        !seccomp_allows(CALL(clock_gettime)))
        return;
    cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (cpu_ns >= next_ns)
        missed_ticks_add(creation_site(segment, slot), (cpu_ns - next_ns) / own->period_ns + 1,
                         1 + (uint32_t)(kernel_tick_ns() / own->period_ns), own->period_ns);
}

/*
 * The thread's CPU time since its last point counts for the next one, so that points cut all of its time into periods:
 * however often the period changes, the sum is within one of them. Points that should have come already are due with
 * the next signal. A thread that has had no point yet, or none while profiles were off, begins with a random part of a
 * period. Returns how long it is until the next point.
 *
 * Rejected: a random time between the old period and the new one. It is right on average at each moment, but what it
 * adds by chance at each change adds up.
 */
static uint64_t begin_period(struct slot_private *own, uint32_t period_ns, uint64_t since_ns,
                             bool begins_anew)
{
    uint64_t left_ns = begins_anew ? random_first(period_ns) : period_ns - since_ns % period_ns;
    uint64_t due = begins_anew ? 0 : since_ns / period_ns;

    own->period_ns = period_ns;
    own->carried = (uint32_t)due;
    own->counted = !begins_anew;
    own->first_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) + left_ns - (due + own->counted) * period_ns;
    return left_ns;
}

void cpu_timer_follow_period(struct segment *segment, uint32_t slot)
{
    struct slot_private *own = &slot_private[slot];
    uint32_t wanted = wanted_period(segment), was = own->period_ns;
    int timer = atomic_load_explicit(&own->timer, memory_order_relaxed);
    bool was_idle = own->is_idle, is_idle = !cpu_is_wanted(segment);
    struct itimerspec left = {{0, 0}, {0, 0}};
    uint64_t left_ns;

    if (__builtin_expect((was == wanted && was_idle == is_idle) || timer <= 0, 1) ||
        !seccomp_allows(CALL(timer_settime) | CALL(timer_gettime) | CALL(clock_gettime)) ||
        sys_call(SYS_timer_gettime, timer - 1, &left))
        return;
    left_ns = (uint64_t)left.it_value.tv_sec * NS_PER_S + (uint64_t)left.it_value.tv_nsec;
    /* A point is due at once, and its signal comes back here. Or it has come, and changed the period. */
    if (left_ns <= about_to_fire_ns || left_ns > was || own->period_ns != was)
        return;
    own->is_idle = is_idle;
    left_ns = begin_period(own, wanted, was - left_ns + (uint64_t)own->carried * was,
                           was_idle || is_idle || !own->counted);
    set_period(timer - 1, wanted, left_ns, 0);
}

/* A signal that is due by then counts as carried, and the timer continues with the next period. If the
   timer were only put off, it would fall behind the thread's time. */
void cpu_timer_put_off(void)
{
    static const long moment_ns = 1000000;
    struct slot_private *own = &slot_private[thread_local_state.slot];
    int timer = thread_local_state.slot ? atomic_load_explicit(&own->timer, memory_order_relaxed)
                                        : thread_local_state.timer;
    struct itimerspec left = {{0, 0}, {0, 0}};
    uint64_t first_ns;

    if (timer <= 0 || !seccomp_allows(CALL(timer_gettime) | CALL(timer_settime)) ||
        sys_call(SYS_timer_gettime, timer - 1, &left) || left.it_value.tv_sec || !left.it_value.tv_nsec ||
        left.it_value.tv_nsec > moment_ns)
        return;
    first_ns = (uint64_t)left.it_value.tv_nsec + (uint64_t)left.it_interval.tv_sec * NS_PER_S +
               (uint64_t)left.it_interval.tv_nsec;
    set_period(timer - 1, (uint32_t)(first_ns - (uint64_t)left.it_value.tv_nsec), first_ns, 0);
    own->carried += thread_local_state.slot != 0;
}
