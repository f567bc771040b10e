/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "sampler/base/clock.h"
#include "sampler/threads/owed.h"
#include "sampler/process/process.h"
#include "sampler/samples/record.h"
#include "sampler/base/seccomp.h"
#include "sampler/threads/slots.h"
#include "sampler/base/sys.h"
#include "sampler/threads/threads.h"
#include "sampler/base/weights.h"

#include "sampler/base/poison.h"

enum { NS_PER_S = 1000000000, NO_SUCH_THREAD = -22 /* EINVAL */ };

/* si_value of our timers: the upper half says ours, the lower one the slot (0: in a child that has not
 * joined). */
static const uint64_t cookie = UINT64_C(0x63707266) << 32;

/* With CPU profiles off, a thread's timer still ticks this seldom, so that they can be turned on again. */
static const uint32_t idle_period_ns = NS_PER_S;

/* Of a thread's CPU time, what passes before its slot has the time of its start. */
static const uint64_t unnoticed_ns = 1000000;

/* The clock of a thread's CPU time: the kernel's MAKE_THREAD_CPUCLOCK(tid, CPUCLOCK_SCHED). */
static long thread_clock(int tid)
{
    return (long)(int)(~(unsigned)tid << 3 | 4 | 2);
}

int cpu_thread_of(pthread_t handle)
{
    clockid_t clock = 0;
    return pthread_getcpuclockid(handle, &clock) ? 0 : (int)(~(unsigned)clock >> 3);
}

static void set_period(int timer, uint32_t period_ns, uint64_t first_ns, int flags)
{
    struct itimerspec spec = {
        .it_interval = {period_ns / NS_PER_S, period_ns % NS_PER_S},
        .it_value = {(time_t)(first_ns / NS_PER_S), (long)(first_ns % NS_PER_S)},
    };
    sys_call(SYS_timer_settime, timer, flags, &spec, 0);
}

/* The first period is a random part of one: a thread that lives for less than a period is sampled in
 * proportion. */
static uint64_t random_first(uint32_t period_ns)
{
    return 1 + random_bits() % period_ns;
}

/* first_ns: of the thread's CPU time; 0: from now on, at random. 1 + its id, or negative errno. */
static int make_timer(int tid, uint32_t slot, uint32_t period_ns, uint64_t first_ns)
{
    struct sigevent event;
    int timer = 0;
    long result;

    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGPROF;
    event.sigev_value.sival_ptr = (void *)(cookie | slot);
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

void cpu_prepare(const struct segment *segment, uint32_t slot)
{
    struct slot_private *own = &slot_private[slot];
    own->period_ns = wanted_period(segment);
    own->first_ns = random_first(own->period_ns);
    own->counted = 0;
    own->carried = 0;
}

int cpu_start(struct segment *segment, uint32_t slot, int tid)
{
    struct slot_private *own = &slot_private[slot];
    int32_t expected = SLOT_TIMER_NOT_YET;
    int timer;

    if (!seccomp_allows(CALLS_TIMER) ||
        atomic_load_explicit(&own->timer, memory_order_relaxed) != SLOT_TIMER_NOT_YET)
        return 0;
    if (!own->first_ns)
        own->period_ns = wanted_period(segment);
    timer = make_timer(tid, slot, own->period_ns, own->first_ns);
    if (timer < 0 && timer != NO_SUCH_THREAD)
        segment_count(segment, COUNT_LOST_TIMER, 1);
    /* An adopted thread may have ended meanwhile, and its slot be another one's; or timers are not wanted any
       more (cpu_suspend). */
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

void cpu_stop(uint32_t slot)
{
    int timer = atomic_exchange_explicit(&slot_private[slot].timer, SLOT_TIMER_NONE, memory_order_relaxed);
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
    cpu_stop(slot);
    atomic_fetch_and_explicit(&segment->thread[slot].flags, ~(uint32_t)THREAD_HAS_TIMER,
                              memory_order_relaxed);
}

static void resume(struct segment *segment, uint32_t slot)
{
    if (atomic_load_explicit(&slot_private[slot].timer, memory_order_relaxed) != SLOT_TIMER_NONE)
        return;
    slot_private[slot].first_ns = 0;
    atomic_store_explicit(&slot_private[slot].timer, SLOT_TIMER_NOT_YET, memory_order_relaxed);
    cpu_start(segment, slot, atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed));
}

void cpu_stop_unattached(void)
{
    int timer = thread_local_state.timer;
    thread_local_state.timer = 0;
    if (timer && seccomp_allows(CALL(timer_delete)))
        sys_call(SYS_timer_delete, timer - 1);
}

unsigned cpu_suspend(bool all)
{
    cpu_stop_unattached();
    return each_timer(all, suspend);
}

void cpu_resume(bool all)
{
    each_timer(all, resume);
}

void cpu_start_unattached(uint32_t period_ns)
{
    int timer =
        period_ns && seccomp_allows(CALLS_TIMER) ? make_timer((int)sys_call(SYS_gettid), 0, period_ns, 0) : 0;
    thread_local_state.timer = timer > 0 ? timer : 0;
}

static bool is_on(const struct segment *segment)
{
    return atomic_load_explicit(&segment->control.profiles, memory_order_relaxed) & 1u << PROFILE_CPU &&
           atomic_load_explicit(&segment->control.cpu_period_ns, memory_order_relaxed);
}

/* Most have not lived so long, and need not ask the kernel. */
void cpu_settle(const struct segment *segment, uint32_t slot)
{
    const struct slot_private *own = &slot_private[slot];
    uint64_t next_ns = own->first_ns + own->counted * own->period_ns, cpu_ns;
    uint64_t lived_ns = clock_ns(CLOCK_MONOTONIC) - segment->thread[slot].start_monotonic_ns;

    if (!own->first_ns || !is_on(segment) || lived_ns + unnoticed_ns < next_ns ||
        !seccomp_allows(CALL(clock_gettime)))
        return;
    cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (cpu_ns >= next_ns)
        owed_add(owed_kin(segment, slot), (cpu_ns - next_ns) / own->period_ns + 1,
                 1 + (uint32_t)(owed_tick() / own->period_ns));
}

/* Threads the uploader found without a slot (raw clone, or started before us), and ended ones (negative)
   whose end no hook saw. One handler claims each request. */
void cpu_serve_adoptions(struct segment *segment)
{
    static _Atomic uint32_t served;
    uint32_t wanted = atomic_load_explicit(&segment->control.adopt_sequence, memory_order_acquire);
    uint32_t before = atomic_load_explicit(&served, memory_order_relaxed), count;

    if (__builtin_expect(wanted == before, 1) ||
        !seccomp_allows(CALLS_TIMER | CALL(timer_delete) | CALL(tgkill) | CALL(getpid)) ||
        !atomic_compare_exchange_strong_explicit(&served, &before, wanted, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    count = atomic_load_explicit(&segment->control.adopt_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count && i < LAYOUT_ADOPT; i++) {
        int tid = atomic_load_explicit(&segment->control.adopt[i], memory_order_relaxed);
        if (tid > 0)
            thread_adopt_other(segment, tid, segment->control.adopt_name[i]);
        else if (tid < 0)
            thread_bury(segment, -tid);
    }
}

static void follow_period(struct segment *segment, uint32_t slot)
{
    struct slot_private *own = &slot_private[slot];
    uint32_t wanted = wanted_period(segment);
    int timer = atomic_load_explicit(&own->timer, memory_order_relaxed);
    if (__builtin_expect(own->period_ns == wanted || timer <= 0, 1) || !seccomp_allows(CALL(timer_settime)))
        return;
    own->period_ns = wanted;
    own->first_ns = 0;
    set_period(timer - 1, wanted, wanted, 0);
}

/* A handler of the program's that has not begun has used no time. */
static const ucontext_t *interrupted_by(const ucontext_t *context)
{
    enum { SIGNALS = 64 };
    const ucontext_t *outer = arch_handler_begins(context);
    for (int i = 0; outer && i < SIGNALS; i++) {
        context = outer;
        outer = arch_handler_begins(context);
    }
    return context;
}

static void record_at(uint32_t slot, uint32_t periods, const struct arch_regs *regs,
                      const struct stack_range ranges[STACK_RANGES])
{
    struct segment *segment = process_segment();
    struct record record;
    uint32_t stack;

    if (!segment || !record_begin(&record, segment, slot, true))
        return;
    stack = record_stack(&record, WAIT_NONE, regs, ranges);
    if (stack)
        record_add(&record, stack, KIND_CPU, periods, (uint64_t)periods * slot_private[slot].period_ns);
    segment_count(segment, COUNT_CPU_SAMPLES, 1);
    if (periods > 1)
        segment_count(segment, COUNT_CPU_OVERRUNS, periods - 1);
    record_end(&record, true);
}

static void record_cpu(uint32_t slot, uint32_t periods, const ucontext_t *uc)
{
    struct stack_range ranges[STACK_RANGES] = {{slot_private[slot].stack_low, slot_private[slot].stack_high},
                                               {0, 0}};
    struct arch_regs regs;

    arch_from_signal(&regs, interrupted_by(uc));
    if (!(uc->uc_stack.ss_flags & SS_DISABLE)) {
        ranges[1].low = (uintptr_t)uc->uc_stack.ss_sp;
        ranges[1].high = ranges[1].low + uc->uc_stack.ss_size;
    }
    record_at(slot, periods, &regs, ranges);
}

bool cpu_carries(void)
{
    return slot_private[thread_local_state.slot].carried && process_attached() && is_on(process_attached());
}

void cpu_record_carried(void *regs)
{
    uint32_t slot = thread_local_state.slot, periods = slot_private[slot].carried;
    uint64_t words = thread_local_state.alternate & ALTERNATE_MOST;
    uintptr_t low = (thread_local_state.alternate >> ALTERNATE_SIZE_BITS) * ALTERNATE_WORD;
    const struct stack_range ranges[STACK_RANGES] = {
        {slot_private[slot].stack_low, slot_private[slot].stack_high}, {low, low + words * ALTERNATE_WORD}};

    slot_private[slot].carried = 0;
    slot_private[slot].counted += periods;
    record_at(slot, periods, regs, ranges);
}

bool cpu_signal_is_ours(const siginfo_t *info)
{
    uint64_t value = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
    return info->si_code == SI_TIMER && (value & ~UINT64_C(0xffffffff)) == cookie;
}

void cpu_carry(const siginfo_t *info)
{
    uint32_t slot = thread_local_state.slot;
    if (slot && (uint32_t)(uintptr_t)info->si_value.sival_ptr == slot)
        slot_private[slot].carried += 1 + (info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0);
}

/* One that is due by then counts as carried, and the timer goes on with the next: put off by a moment each
   time, it would fall behind the thread's time. */
void cpu_put_off(void)
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

/* Of the calling thread, where it may be less than a tick. */
static uint64_t cpu_time_of_young(uint32_t slot)
{
    bool is_old = !seccomp_allows(CALL(clock_gettime)) || slot_private[slot].first_ns >= owed_tick();
    return is_old ? UINT64_MAX : clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

bool cpu_signal(const siginfo_t *info, void *context)
{
    struct segment *segment;
    uint32_t slot, periods;
    bool is_first;

    if (!cpu_signal_is_ours(info))
        return false;
    segment = process_segment();
    if (!segment)
        return true;
    slot = (uint32_t)(uintptr_t)info->si_value.sival_ptr;
    if (!slot) {
        if (!thread_local_state.slot)
            thread_adopt_self(0);
        slot = thread_local_state.slot;
    }
    if (!slot || slot >= LAYOUT_THREADS ||
        !atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed))
        return true;
    if (thread_has_other(slot)) {
        thread_drop(segment, slot);
        return true;
    }
    periods = 1 + (info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0) + slot_private[slot].carried;
    slot_private[slot].carried = 0;
    is_first = slot_private[slot].first_ns && !slot_private[slot].counted;
    slot_private[slot].counted += periods;
    if (is_first)
        periods = owed_take(owed_kin(segment, slot), periods, cpu_time_of_young(slot));
    if (is_on(segment))
        record_cpu(slot, periods, context);
    follow_period(segment, slot);
    cpu_serve_adoptions(segment);
    process_check_uploader(segment);
    return true;
}
