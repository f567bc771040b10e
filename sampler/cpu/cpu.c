/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu.h"

#include <signal.h>
#include <time.h>

#include "sampler/base/clock.h"
#include "sampler/base/seccomp.h"
#include "sampler/process/process.h"
#include "sampler/samples/sample_table.h"
#include "sampler/threads/cpu_timer.h"
#include "sampler/threads/missed_ticks.h"
#include "sampler/threads/thread_slots.h"
#include "sampler/threads/threads.h"

#include "sampler/base/poison.h"

/* The context that used the CPU time. A handler that has executed no instruction has used none. */
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
    struct sample sample;
    uint32_t stack;

    if (!segment || !sample_begin(&sample, segment, slot, KIND_CPU))
        return;
    stack = sample_walk(&sample, WAIT_NONE, regs, ranges);
    if (stack)
        sample_add(&sample, stack, KIND_CPU, periods, (uint64_t)periods * slot_private[slot].period_ns);
    segment_count(segment, COUNT_CPU_SAMPLES, 1);
    if (periods > 1)
        segment_count(segment, COUNT_CPU_OVERRUNS, periods - 1);
    sample_end(&sample);
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
    const struct slot_private *own = &slot_private[thread_local_state.slot];
    return own->carried && !own->is_idle && process_attached() && cpu_is_wanted(process_attached());
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
    return info->si_code == SI_TIMER && (value & ~UINT64_C(0xffffffff)) == CPU_TIMER_COOKIE;
}

void cpu_carry(const siginfo_t *info)
{
    uint32_t slot = thread_local_state.slot;
    if (slot && (uint32_t)(uintptr_t)info->si_value.sival_ptr == slot)
        slot_private[slot].carried += 1 + (info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0);
}

/* The CPU time of the calling thread if it may be less than a tick; else UINT64_MAX. */
static uint64_t cpu_time_of_young(uint32_t slot)
{
    bool is_old = !seccomp_allows(CALL(clock_gettime)) || slot_private[slot].first_ns >= kernel_tick_ns();
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
    if (cpu_is_wanted(segment) && !slot_private[slot].is_idle) {
        if (is_first)
            periods = missed_ticks_take(creation_site(segment, slot), periods, cpu_time_of_young(slot),
                                        slot_private[slot].period_ns);
        record_cpu(slot, periods, context);
    }
    cpu_timer_follow_period(segment, slot);
    threads_serve_uploader(segment);
    process_check_uploader(segment);
    return true;
}
