/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks of threads in a wall sample: unwound once a wait, and compared where a thread comes back to the same place. */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "wall_state.h"

enum {
    COPY_FIRST = 4096,           /* of a stack of unknown depth: most waits are not deeper */
    COPY_MOST = UNWIND_COPY_MOST /* to compare a known stack */
};

/* Every return address is where it was: the same stack. Of a deep one, those beyond the gap may be anywhere. */
static bool is_unchanged(const struct wall *wall, const struct wait_stack *stack,
                         const uint64_t regs[LAYOUT_REGS])
{
    uint64_t word;

    if (!stack || !stack->frames || !stack->checkable || stack->gap || stack->frame[0].pc != regs[0])
        return false;
    for (uint32_t i = 1; i < stack->frames; i++)
        if (!unwinder_return_address(wall->unwinder,
                                     regs[1] + stack->frame[i].sp - stack->frame[i].return_below, &word) ||
            word != stack->frame[i].pc)
            return false;
    return true;
}

static size_t copy_size(const struct wait_stack *stack)
{
    uint64_t span = stack && stack->frames && !stack->gap ? stack->frame[stack->frames - 1].sp : 0;
    return !span ? COPY_FIRST : span < COPY_MOST ? (size_t)span : COPY_MOST;
}

static void note_unreadable(struct wall *wall, int error)
{
    wall->unreadable = true;
    if (wall->noted_unreadable)
        return;
    wall->noted_unreadable = true;
    log_info(
        "%s[%d]: stacks of waiting threads cannot be read (%s): the functions they wait in are shown alone",
        wall->target->program->name, (int)wall->target->pid, strerror(-error));
}

/* Has the mappings read again after libraries came or went. The segment lists modules in which samples were taken,
   and counts the calls that may have loaded or unloaded one. */
static void check_modules(struct wall *wall)
{
    struct seg_header *header = &wall->target->segment->header;
    uint32_t epoch = atomic_load_explicit(&header->epoch, memory_order_relaxed),
             modules = atomic_load_explicit(&header->modules, memory_order_relaxed),
             unloads = atomic_load_explicit(&header->unloads, memory_order_relaxed);

    if (epoch == wall->epoch && modules == wall->modules && unloads == wall->unloads)
        return;
    wall->changes += epoch != wall->epoch || unloads != wall->unloads;
    wall->epoch = epoch;
    wall->modules = modules;
    wall->unloads = unloads;
    unwinder_refresh(wall->unwinder);
}

bool wall_is_late(struct wall *wall)
{
    struct wall_budget *budget = wall->budget;

    if (budget->walks) {
        budget->walks--;
        return false;
    }
    return monotonic_ns() > budget->late_ns;
}

static struct wait_stack *leaf_alone(struct wall *wall, const char *leaf)
{
    return wait_stacks_intern(wall->waits, leaf, NULL);
}

/* The thread's stack of the last sample, if it has this leaf and its addresses are in the same modules still. */
static struct wait_stack *last_stack(struct wall *wall, struct watched_thread *watched, const char *leaf)
{
    bool is_valid;

    check_modules(wall);
    is_valid = watched->changes == wall->changes && watched->stack && watched->stack->leaf == leaf;
    watched->changes = wall->changes;
    return is_valid ? watched->stack : NULL;
}

/* NULL: a thread without a slot knows nothing of its stack. */
static const struct seg_root *root_of(const struct wall *wall, const struct seg_thread *slot)
{
    const struct segment *segment = wall->target->segment;
    return slot ? &segment->root[(size_t)(slot - segment->thread) % LAYOUT_ROOTS] : NULL;
}

static int copy_stack(struct wall *wall, struct stack_copy *copy)
{
    unwinder_copy(wall->unwinder, copy, 1);
    if (copy->error == -EPERM || copy->error == -ENOSYS || copy->error == -ETIMEDOUT)
        note_unreadable(wall, copy->error);
    return copy->error;
}

struct wait_stack *wall_unwind_wait(struct wall *wall, struct seg_thread *slot, uint32_t sequence,
                                    struct watched_thread *watched)
{
    const char *leaf = wall->leaf[watched->kind];
    struct wait_stack *last = last_stack(wall, watched, leaf);
    struct stack_copy copy = {.low = slot->stack_low, .high = slot->stack_high, .size = copy_size(last)};
    uint64_t regs[LAYOUT_REGS];
    int error;

    if (last && watched->confirmed == sequence)
        return last;
    memcpy(regs, slot->wait_regs, sizeof regs);
    if (wall->unreadable || !wall->target->pid || has_moved_on(slot, sequence))
        return leaf_alone(wall, leaf);
    copy.sp = regs[1];
    error = wall->dead ? -ESRCH : copy_stack(wall, &copy);
    /* The memory is gone with the process. A wait at the same call is taken for the one that was seen before. */
    if (error == -ESRCH && last && last->frames && last->frame[0].pc == regs[0])
        return last;
    if (error || has_moved_on(slot, sequence))
        return leaf_alone(wall, leaf);
    if (is_unchanged(wall, last, regs))
        return last;
    unwinder_use_root(wall->unwinder, root_of(wall, slot));
    unwinder_walk(wall->unwinder, regs, &wall->unwound);
    if (wall->unwound.reread && has_moved_on(slot, sequence))
        return leaf_alone(wall, leaf);
    return wait_stacks_intern(wall->waits, leaf, &wall->unwound);
}

/* Is the thread where it was, in the same call? It may have left and come back meanwhile. */
static bool is_still_in(const struct wall *wall, const struct watched_thread *watched,
                        const struct task *before)
{
    struct task now;

    task_read_call(wall->target->pid, watched->tid, &now);
    return now.pc == before->pc && now.sp == before->sp &&
           (!*now.what || !*before->what || !strcmp(now.what, before->what));
}

struct wait_stack *wall_unwind_blocked(struct wall *wall, const struct seg_thread *slot,
                                       struct watched_thread *watched, const struct task *task,
                                       const char *leaf)
{
    const uint64_t regs[LAYOUT_REGS] = {task->pc, task->sp};
    struct wait_stack *last = last_stack(wall, watched, leaf);
    struct stack_copy copy = {.sp = task->sp, .size = copy_size(last)};

    if (slot) {
        copy.low = slot->stack_low;
        copy.high = slot->stack_high;
    }
    if (!task->sp || wall->unreadable || copy_stack(wall, &copy))
        return leaf_alone(wall, leaf);
    if (is_unchanged(wall, last, regs))
        return last;
    if (wall_is_late(wall))
        return last ? last : leaf_alone(wall, leaf);
    unwinder_use_root(wall->unwinder, root_of(wall, slot));
    unwinder_walk_from(wall->unwinder, task->pc, task->sp, &wall->unwound);
    return wait_stacks_intern(wall->waits, leaf, is_still_in(wall, watched, task) ? &wall->unwound : NULL);
}

/* Threads that are in new waits, probably at the place of the last one. */
struct confirmation {
    struct watched_thread *watched[UNWIND_COPIES];
    struct seg_thread *slot[UNWIND_COPIES];
    uint32_t sequence[UNWIND_COPIES];
    uint64_t regs[UNWIND_COPIES][LAYOUT_REGS];
    struct stack_copy copy[UNWIND_COPIES];
    unsigned count;
};

static void confirm(struct wall *wall, struct confirmation *these)
{
    if (these->count)
        unwinder_copy(wall->unwinder, these->copy, these->count);
    for (unsigned i = 0; i < these->count; i++) {
        if (these->copy[i].error || has_moved_on(these->slot[i], these->sequence[i]))
            continue;
        unwinder_use(wall->unwinder, &these->copy[i]);
        if (is_unchanged(wall, these->watched[i]->stack, these->regs[i]))
            these->watched[i]->confirmed = these->sequence[i];
    }
    these->count = 0;
}

static void confirm_later(const struct wall *wall, struct confirmation *these, struct seg_thread *slot,
                          struct watched_thread *watched)
{
    const struct wait_stack *stack = watched->stack;
    uint32_t sequence = sequence_of(slot), kind = slot->wait_kind;
    unsigned n = these->count;

    if (!(sequence & 1) || is_same_wait(watched, sequence) || !stack || !stack->frames ||
        watched->changes != wall->changes || kind >= WAITS || stack->leaf != wall->leaf[kind])
        return;
    these->watched[n] = watched;
    these->slot[n] = slot;
    these->sequence[n] = sequence;
    memcpy(these->regs[n], slot->wait_regs, sizeof these->regs[n]);
    these->copy[n] = (struct stack_copy){
        .sp = these->regs[n][1], .low = slot->stack_low, .high = slot->stack_high, .size = copy_size(stack)};
    these->count++;
}

void wall_confirm_stacks(struct wall *wall, uint32_t slots)
{
    struct confirmation these;

    these.count = 0;
    if (wall->unreadable || wall->dead || !wall->target->pid)
        return;
    check_modules(wall);
    for (uint32_t i = 1; i <= slots; i++) {
        struct seg_thread *slot = &wall->target->segment->thread[i];
        struct watched_thread *watched = &wall->watched[i];
        if (watched->tid && watched->start == slot->start_monotonic_ns &&
            watched->tid == atomic_load_explicit(&slot->tid, memory_order_relaxed))
            confirm_later(wall, &these, slot, watched);
        if (these.count < UNWIND_COPIES)
            continue;
        confirm(wall, &these);
        if (monotonic_ns() > wall->budget->late_ns)
            return;
    }
    confirm(wall, &these);
}

/* musl's mutexes hold their owner if they are recursive, robust or check errors. Its read-write locks do not. */
static bool read_musl_holder(struct wall *wall, const struct watched_thread *watched, int32_t *holder)
{
    enum { TYPE = 3, OWNER = 0x3fffffff };
    int32_t word[2] = {0, 0}; /* type and lock */

    if (wall_functions[watched->kind].who != WAIT_FOR_MUTEX ||
        !unwinder_read(wall->unwinder, watched->object, word, sizeof word))
        return false;
    *holder = word[0] & TYPE ? word[1] & OWNER : 0;
    return true;
}

/* glibc keeps the owner at the same place for all kinds and versions of a lock. */
static bool read_holder(struct wall *wall, const struct watched_thread *watched, int32_t *holder)
{
    size_t offset = wall_functions[watched->kind].who == WAIT_FOR_MUTEX
                        ? offsetof(pthread_mutex_t, __data.__owner)
                        : offsetof(pthread_rwlock_t, __data.__cur_writer);

    if (wall->target->segment->header.flags & SEGMENT_MUSL)
        return read_musl_holder(wall, watched, holder);
    return unwinder_read(wall->unwinder, watched->object + offset, holder, sizeof *holder);
}

/* Once the process is gone, what was read last stays. */
void wall_read_holder(struct wall *wall, struct seg_thread *slot, struct watched_thread *watched)
{
    enum wait_object who = wall_functions[watched->kind].who;
    int32_t holder;

    if (who != WAIT_FOR_MUTEX && who != WAIT_FOR_RWLOCK)
        return;
    if (watched->object && !wall->unreadable && !wall->dead && read_holder(wall, watched, &holder) &&
        !has_moved_on(slot, watched->sequence))
        watched->holder = holder > 0 ? holder : 0;
}
