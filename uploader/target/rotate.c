/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that fill up. New samples go to the other bank. When no thread writes to the old bank any more, it
 * is drained for the last time and given back to the kernel, which leaves it zero for its next turn.
 */
#include "rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "drain.h"
#include "segment.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"

#define PATIENCE_NS (10 * SECOND_NS)

static unsigned active_bank(const struct target *target)
{
    return atomic_load_explicit(&target->segment->control.active_bank, memory_order_relaxed) & 1;
}

/* At least one part of so many is used. */
static bool bank_used(const struct seg_bank *bank, unsigned parts)
{
    return atomic_load_explicit(&bank->samples, memory_order_relaxed) > LAYOUT_SAMPLES / parts ||
           atomic_load_explicit(&bank->stack_words, memory_order_relaxed) > LAYOUT_STACK_WORDS / parts ||
           atomic_load_explicit(&bank->contexts, memory_order_relaxed) > LAYOUT_CONTEXTS / parts;
}

/* Dekker: the store of active_bank comes before these loads. The target stores bank_in_use before its second
   load of active_bank. So a thread that is not seen here sees the new bank. */
static bool bank_in_use(const struct target *target, unsigned bank)
{
    const struct segment *segment = target->segment;
    uint32_t slots = atomic_load_explicit(&segment->header.used_slots, memory_order_seq_cst);

    for (uint32_t i = 1; i <= slots && i < LAYOUT_THREADS; i++)
        if (atomic_load_explicit(&segment->thread[i].bank_in_use, memory_order_seq_cst) >> bank & 1)
            return true;
    return false;
}

static void rotation_start(struct target *target, int64_t now_ns)
{
    struct segment *segment = target->segment;
    unsigned old = active_bank(target);
    uint32_t generation = atomic_load_explicit(&segment->bank[old].generation, memory_order_relaxed) + 1;

    atomic_store_explicit(&segment->bank[!old].generation, generation ? generation : 1, memory_order_relaxed);
    atomic_store_explicit(&segment->control.active_bank, !old, memory_order_seq_cst);
    target->named[!old] = 0;
    target->rotating = true;
    target->rotate_give_up_ns = now_ns + PATIENCE_NS;
    log_info("%s[%d]: tables half full or long in use, rotating to generation %u", target->program->name,
             target->pid, generation);
}

static void want_stack(struct target *target, const struct seg_live *live, void *generation)
{
    if (live->generation != *(uint32_t *)generation)
        stacks_mark(target->stacks, live->generation, live->stack);
}

static void want_created(struct target *target, uint32_t keep)
{
    uint32_t slots = target_used_slots(target);

    for (uint32_t i = 1; i <= slots; i++) {
        struct seg_thread *thread = &target->segment->thread[i];
        uint32_t generation = thread->created_generation;
        if (atomic_load_explicit(&thread->tid, memory_order_acquire) && generation && generation != keep)
            stacks_mark(target->stacks, generation, thread->created_stack);
    }
}

static void bank_empty(struct target *target, unsigned bank)
{
    struct segment *segment = target->segment;
    const off_t start = offsetof(struct segment, bank) + bank * (off_t)sizeof segment->bank[0];
    uint32_t keep = atomic_load_explicit(&segment->bank[!bank].generation, memory_order_relaxed);

    drain_bank(target, bank);
    drain_each_live(target, want_stack, &keep);
    want_created(target, keep);
    stacks_sweep(target->stacks, keep);
    drain_forget(target, bank);
    target->named[bank] = 0;
    target->has_large = false;
    if (fallocate(target->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start,
                  sizeof segment->bank[0])) {
        log_warn("a full table could not be given back: %s", strerror(errno));
        memset(&segment->bank[bank], 0, sizeof segment->bank[0]);
    }
    target->rotating = false;
}

/* If an uploader died during a rotation, its successor goes on with it. */
void rotate_attach(struct target *target)
{
    const struct seg_bank *other = &target->segment->bank[!active_bank(target)];
    target->rotating = atomic_load_explicit(&other->generation, memory_order_relaxed) != 0;
    target->rotate_give_up_ns = monotonic_ns() + PATIENCE_NS;
}

bool rotate_tick(struct target *target, int64_t now_ns)
{
    unsigned active = active_bank(target);

    if (!target->rotating && (target->has_large || bank_used(&target->segment->bank[active], 2))) {
        rotation_start(target, now_ns);
    } else if (target->rotating && !bank_in_use(target, !active)) {
        bank_empty(target, !active);
    } else if (target->rotating && now_ns >= target->rotate_give_up_ns) {
        /* A thread was stopped, or left by a jump, in the middle of a sample. If it goes on, its one sample
           lands in an empty table and is dropped as malformed. */
        log_warn("%s[%d]: a thread has been recording one sample for %d s; its table is emptied regardless",
                 target->program->name, target->pid, (int)(PATIENCE_NS / SECOND_NS));
        bank_empty(target, !active);
    }
    return target->rotating || bank_used(&target->segment->bank[active_bank(target)], 8);
}
