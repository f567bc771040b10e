/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"
#include "uploader/programs/time_balance.h"
#include "uploader/target/segment.h"
#include "wall_state.h"

#define X(function, state, who) {state, #function, WAIT_FOR_##who},
const struct wait_function wall_functions[WAITS] = {{"blocked", "[blocked]", WAIT_FOR_NOBODY},
                                                    LAYOUT_WAITS(X)};
#undef X

static void note_lived_before(struct wall *wall)
{
    uint32_t slots = target_used_slots(wall->target);

    for (uint32_t i = 1; i <= slots; i++) {
        struct seg_thread *thread = &wall->target->segment->thread[i];
        uint32_t name = atomic_load_explicit(&thread->name, memory_order_relaxed);
        if (atomic_load_explicit(&thread->tid, memory_order_acquire) > 0 &&
            target_time(wall->target, thread->start_monotonic_ns) < wall->since_ns)
            time_add(&sums_of(wall, name)->lived_ns,
                     wall->since_ns - target_time(wall->target, thread->start_monotonic_ns));
    }
}

struct wall *wall_new(struct target *target)
{
    struct symbols *symbols = target->programs->symbols;
    struct wall *wall = calloc(1, sizeof *wall);

    if (!wall)
        return NULL;
    wall->target = target;
    wall->keys.words = PENDING_WORDS;
    wall->since_ns = wall->last_ns = target->since_ns;
    for (int i = 0; i < WAITS; i++)
        wall->leaf[i] = symbols_intern(symbols, wall_functions[i].function);
    wall->stopped = symbols_intern(symbols, "[stopped]");
    wall->waits = wait_stacks_new(symbols, &target->source);
    wall->unwinder = unwinder_new(target->pid, &target->source, symbols);
    if (target->resumed)
        note_lived_before(wall);
    if (wall->waits && wall->unwinder)
        return wall;
    wall_free(wall);
    return NULL;
}

void wall_free(struct wall *wall)
{
    if (!wall)
        return;
    wait_stacks_free(wall->waits);
    unwinder_free(wall->unwinder);
    ids_free(&wall->keys);
    traces_free(&wall->traces);
    free(wall->pending);
    free(wall->watched);
    free(wall);
}

static struct pending *pending_of(struct wall *wall, const struct wait_stack *stack,
                                  const struct watched_thread *watched)
{
    const uint64_t key[PENDING_WORDS] = {
        [PENDING_STACK] = (uintptr_t)stack,
        [PENDING_NAME] = watched->name,
        [PENDING_LABELS] = (uintptr_t)watched->labels,
        [PENDING_TRACE] =
            *watched->trace.trace_text ? (uintptr_t)traces_get(&wall->traces, &watched->trace) : 0};
    uint32_t number = ids_get(&wall->keys, key, NULL);
    struct pending *grown =
        number ? array_reserve(wall->pending, &wall->pending_room, number - 1, sizeof *grown) : NULL;

    if (!grown)
        return NULL;
    wall->pending = grown;
    return &grown[number - 1];
}

/* Time of a thread with labels or a trace that is in no wait. What threads without have is the rest of the sums. */
static void note_labelled(struct wall *wall, struct wait_stack **stack, const char *leaf,
                          const struct watched_thread *watched, int64_t ns)
{
    struct pending *pending;

    if (!watched->labels && !*watched->trace.trace_text)
        return;
    if (!*stack)
        *stack = wait_stacks_intern(wall->waits, symbols_intern(wall->target->programs->symbols, leaf), NULL);
    pending = *stack ? pending_of(wall, *stack, watched) : NULL;
    if (pending)
        pending->ns += ns;
}

void wall_credit(struct wall *wall, const struct watched_thread *watched, int64_t ns, int64_t samples)
{
    struct time_balance *balance = &sums_of(wall, watched->name)->balance;
    struct pending *pending = watched->stack ? pending_of(wall, watched->stack, watched) : NULL;

    if (pending) {
        pending->ns += ns;
        pending->samples += samples;
        time_add(&balance->blocked_ns, ns);
        balance->blocked_samples += samples;
    } else if (watched->activity == ACTIVE_RUNNING) {
        time_add(&balance->running_ns, ns);
        balance->running_samples += samples;
        note_labelled(wall, &wall->running, "[running]", watched, ns);
    } else {
        time_add(&balance->unseen_ns, ns);
    }
}

/* On average a thread ends in the middle between two samples. One that was seen once also stands for threads that
   lived between two samples, so it gets a whole period, whenever it began. */
void wall_end_watched(struct wall *wall, struct watched_thread *watched, int64_t elapsed_ns)
{
    if (watched->gone) /* it had before */
        ;
    else if (watched->samples == 1 && watched->credited_ns < elapsed_ns)
        wall_credit(wall, watched, elapsed_ns - watched->credited_ns, 0);
    else
        wall_credit(wall, watched, elapsed_ns / 2, 0);
    *watched = (struct watched_thread){0};
}

void wall_credit_deferred(struct wall *wall, struct watched_thread *watched)
{
    if (watched->deferred && wall->last_ns > watched->until_ns) {
        wall_credit(wall, watched, wall->last_ns - watched->until_ns, 1);
        watched->until_ns = wall->last_ns;
    }
}

bool wall_is_askable(const struct wall *wall)
{
    return !wall->dead && wall->target->segment->header.pid == wall->target->pid;
}

static void take_queued(struct wall *wall, const struct watched_thread *watched, int64_t ns)
{
    time_add(&sums_of(wall, watched->name)->balance.queued_ns, ns);
    note_labelled(wall, &wall->queued, "[waiting for a CPU]", watched, ns);
}

void wall_take_times(struct wall *wall, struct watched_thread *watched)
{
    struct time_balance *balance = &sums_of(wall, watched->name)->balance;
    struct task_times now;

    if (!wall_is_askable(wall) || !task_read_times(wall->target->pid, watched->tid, &now))
        return;
    if (watched->has_times && now.queued_ns > watched->times.queued_ns)
        take_queued(wall, watched, now.queued_ns - watched->times.queued_ns);
    if (watched->has_times && !watched->has_timer && now.cpu_ns > watched->times.cpu_ns)
        time_add(&balance->untimed_ns, now.cpu_ns - watched->times.cpu_ns);
    watched->times = now;
    watched->has_times = true;
}

const struct stack *wall_special_stack(struct wall *wall, const char *text)
{
    const char *leaf = symbols_intern(wall->target->programs->symbols, text);
    struct wait_stack *stack = leaf ? wait_stacks_intern(wall->waits, leaf, NULL) : NULL;
    return stack ? wait_stacks_name(wall->waits, stack) : NULL;
}

int64_t wall_until(const struct wall *wall)
{
    return wall->last_ns;
}

void wall_resume(struct wall *wall, const struct wall *old)
{
    wall->since_ns = wall->last_ns = old->last_ns;
    for (uint32_t i = 0; i < TARGET_NAMES; i++)
        if (old->sums[i].balance.cpu_ns)
            wall->sums[i].balance.cpu_ns = old->sums[i].balance.cpu_ns;
}
