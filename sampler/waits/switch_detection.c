/* SPDX-License-Identifier: Apache-2.0 */
#include "switch_detection.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/libc/libc.h"
#include "sampler/process/process.h"
#include "sampler/segment/layout.h"
#include "sampler/threads/thread_local.h"
#include "sampler/threads/thread_slots.h"

#include "sampler/base/poison.h"

ptrdiff_t switch_offset;

extern const char switch_inside[] __attribute__((visibility("hidden")));
extern const char switch_abort[] __attribute__((visibility("hidden")));

/* One byte that no thread is ever in. The kernel wants the signature before the address to go on at. */
ARCH_RSEQ_CODE(switch_inside, switch_abort);

#define NEVER_ENTERED                                                                                        \
    {                                                                                                        \
        .start_ip = (uintptr_t)switch_inside, .post_commit_offset = 1, .abort_ip = (uintptr_t)switch_abort   \
    }
const struct rseq_cs switch_mark = NEVER_ENTERED;
/* Another one, so that switch_unwatch_if_watched() does not take it for the first. */
const struct rseq_cs switch_trial_mark = NEVER_ENTERED;

/*
 * The trial: LOOKS calls. Each that gave up the CPU must have cleared the mark; a single one that left it
 * ends the trial. Of the others the mark must survive most: a signal clears it, too, but where something
 * does always it is of no use. A mark that was cleared by chance, since the thread was preempted just before
 * or after the call, must not be taken for evidence: so it takes two of them.
 */
enum { LOOKS = 64, AGREED = 2 };
enum way { ON_TRIAL, BY_MARK, BY_COUNT };
static _Atomic uint32_t way = BY_COUNT;
static ptrdiff_t trial_offset;
static _Atomic uint32_t looks, agreed, cleared_by_others;

void switch_start(void)
{
    libc_start();
    if (!libc.rseq_size || !libc.rseq_offset || !*libc.rseq_size)
        return;
    trial_offset = *libc.rseq_offset;
    atomic_store_explicit(&way, ON_TRIAL, memory_order_relaxed);
}

bool switch_count(struct switch_counts *counts)
{
    struct rusage usage = {0};

    if (!seccomp_allows(CALL(getrusage)) || sys_call(SYS_getrusage, RUSAGE_THREAD, &usage))
        return false;
    counts->waited = (uint64_t)usage.ru_nvcsw;
    counts->preempted = (uint64_t)usage.ru_nivcsw;
    return true;
}

void switch_report(struct segment *segment)
{
    switch (atomic_load_explicit(&way, memory_order_relaxed)) {
    case BY_MARK:
        segment_count(segment, COUNT_WAITS_BY_MARK, 1);
        break;
    case BY_COUNT:
        segment_count(segment, COUNT_WAITS_BY_COUNT, 1);
        break;
    default:
        break;
    }
}

/* Relaxed: who has not seen the offset yet goes on as on trial, which is right, too. */
static void decide(enum way decided)
{
    uint32_t before = ON_TRIAL;

    if (!atomic_compare_exchange_strong_explicit(&way, &before, decided, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    if (decided == BY_MARK)
        __atomic_store_n(&switch_offset, trial_offset, __ATOMIC_RELAXED);
    switch_report(process_attached());
}

static bool trial_stands(void)
{
    return *switch_section(trial_offset) == (uintptr_t)&switch_trial_mark;
}

void switch_trial_begin(struct switch_trial *trial)
{
    trial->is_on = atomic_load_explicit(&way, memory_order_relaxed) == ON_TRIAL &&
                   switch_is_registered(trial_offset) && switch_count(&trial->before);
    if (trial->is_on)
        *switch_section(trial_offset) = (uintptr_t)&switch_trial_mark;
}

static bool judge(const struct switch_trial *trial)
{
    bool stands = trial_stands(), waited;
    struct switch_counts after;

    *switch_section(trial_offset) = 0;
    if (!switch_count(&after))
        return true;
    slot_private[thread_local_state.slot].waited = after.waited;
    slot_private[thread_local_state.slot].is_fresh = true;
    waited = after.waited != trial->before.waited;
    if (waited && stands)
        decide(BY_COUNT);
    else if (waited)
        atomic_fetch_add_explicit(&agreed, 1, memory_order_relaxed);
    else if (!stands && after.preempted == trial->before.preempted)
        atomic_fetch_add_explicit(&cleared_by_others, 1, memory_order_relaxed);
    return waited;
}

/* A program that has not waited in so many calls. Some 60 us each, once in a process. */
static void wait_ourselves(void)
{
    static const struct timespec shortest = {0, 1};
    struct switch_trial trial;

    for (unsigned i = 0; i < AGREED && seccomp_allows(CALL(nanosleep)); i++) {
        switch_trial_begin(&trial);
        if (!trial.is_on)
            break;
        sys_call(SYS_nanosleep, &shortest, 0);
        judge(&trial);
    }
}

bool switch_trial_end(const struct switch_trial *trial)
{
    bool waited = judge(trial);
    uint32_t number = 1 + atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);

    if (number != LOOKS)
        return waited;
    if (atomic_load_explicit(&agreed, memory_order_relaxed) < AGREED)
        wait_ourselves();
    decide(atomic_load_explicit(&agreed, memory_order_relaxed) >= AGREED &&
                   atomic_load_explicit(&cleared_by_others, memory_order_relaxed) < LOOKS / 2
               ? BY_MARK
               : BY_COUNT);
    return waited;
}
