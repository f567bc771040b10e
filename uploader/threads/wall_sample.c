/* SPDX-License-Identifier: Apache-2.0 */
/* A wall sample: what each thread does now, by its slot or by the kernel, and its time since the last sample. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"
#include "uploader/base/clock.h"
#include "uploader/target/segment.h"
#include "wall_state.h"

enum {
    TASKS_PER_SAMPLE = 64, /* threads whose state the kernel is asked for; the others keep the one they had */
    STOPS_PER_SAMPLE = 16, /* processes without progress that are asked whether they are stopped */
    WALKS_PER_SAMPLE = 8,  /* stacks that are unwound however long it takes; more as time allows */
    REPETITIONS_MOST = 5,  /* a thread that stays blocked in the same is asked at each 32nd sample */
    IDLE_MOST = 3,         /* a process that stays without progress is asked at each 8th sample */
};
#define LATE_NS (5 * MS_NS)
/* Between two samples, a process that made progress may have been stopped since. */
#define FAR_APART_NS (200 * MS_NS)

/* One thread in one sample. */
struct sighting {
    struct wall *wall;
    struct watched_thread *watched;
    struct seg_thread *slot; /* NULL: it has none */
    uint32_t sequence;
    bool ask; /* the kernel is asked for it */
    int64_t now_ns;
};

static void see_waiting(const struct sighting *seen, uint32_t sequence, bool stopped)
{
    struct wall *wall = seen->wall;
    struct watched_thread *watched = seen->watched;
    uint32_t kind = seen->slot->wait_kind;
    int64_t since_ns;

    if (is_same_wait(watched, sequence) && watched->stopped == stopped)
        return;
    since_ns = stopped ? seen->now_ns
                       : target_time_of_ticks(wall->target, seen->slot->wait_since_ticks, seen->now_ns);
    watched->kind = kind < WAITS ? kind : WAIT_NONE;
    watched->object = seen->slot->wait_object;
    watched->holder = 0;
    watched->deferred = !wall->dead && watched->confirmed != sequence && wall_is_late(wall);
    watched->stack = watched->deferred ? wait_stacks_intern(wall->waits, wall->leaf[watched->kind], NULL)
                                       : wall_unwind_wait(wall, seen->slot, sequence, watched);
    watched->activity = ACTIVE_WAITING;
    watched->sequence = sequence;
    watched->since_ns = since_ns <= seen->now_ns ? since_ns : seen->now_ns;
    if (!watched->deferred)
        wall_read_holder(wall, seen->slot, watched);
    watched->stopped = stopped;
    if (stopped)
        watched->stack = wait_stacks_below(wall->waits, wall->stopped, watched->stack);
}

static void set_blocked(const struct sighting *seen, const struct task *task)
{
    struct wall *wall = seen->wall;
    struct watched_thread *watched = seen->watched;
    struct symbols *symbols = wall->target->programs->symbols;
    struct wait_stack *stack;
    char text[64];
    const char *leaf;

    watched->stopped = task->state == TASK_STOPPED;
    snprintf(text, sizeof text, "[blocked%s%s]", *task->what ? ": " : "", task->what);
    leaf = watched->stopped ? wall->stopped : symbols_intern(symbols, text);
    watched->what = symbols_intern(symbols, task->what);
    stack = leaf ? wall_unwind_blocked(wall, seen->slot, watched, task, leaf) : NULL;
    if (watched->activity != ACTIVE_BLOCKED || watched->stack != stack)
        watched->repetitions = 0;
    else if (watched->repetitions < REPETITIONS_MOST)
        watched->repetitions++;
    watched->ask_at = wall->samples + (1u << watched->repetitions);
    watched->activity = ACTIVE_BLOCKED;
    watched->stack = stack;
}

static void set_activity(struct watched_thread *watched, enum activity activity)
{
    watched->activity = activity;
    watched->stopped = false;
    watched->stack = NULL;
}

/* Takes what the kernel says. A thread that is gone spent its last moments in what it was seen in, unless that is
   known to be over. */
static void set_task(const struct sighting *seen, const struct task *task)
{
    struct watched_thread *watched = seen->watched;

    if (task->state == TASK_BLOCKED || task->state == TASK_STOPPED) {
        set_blocked(seen, task);
    } else if (task->state == TASK_RUNNING) {
        set_activity(watched, ACTIVE_RUNNING);
        watched->has_run = true;
        wall_take_times(seen->wall, watched);
    } else if (watched->activity == ACTIVE_WAITING) {
        set_activity(watched, ACTIVE_UNKNOWN);
    }
    watched->gone = task->state == TASK_GONE;
}

static void set_stop(struct wall *wall, enum task_stop stop)
{
    wall->stop_changes += wall->stop != stop;
    wall->stop = stop;
}

/* If the process is stopped, each of its threads is, whatever it was doing. */
static void ask_task(struct wall *wall, const struct watched_thread *watched, struct task *task)
{
    *task = (struct task){.state = TASK_BLOCKED};
    if (wall_is_askable(wall))
        task_read(wall->target->pid, watched->tid, task);
    if (wall->stop == TASK_STOPPED_WHOLE && task->state == TASK_BLOCKED) {
        task->state = TASK_STOPPED;
        *task->what = 0;
    }
    wall->one_stopped |= task->state == TASK_STOPPED;
    if (task->whole)
        set_stop(wall, TASK_STOPPED_WHOLE);
}

/* A thread that stays blocked in the same, and was in no hooked call since, is asked seldom. The answer then holds
   for all the time since it was asked last. */
static bool is_left_alone(const struct wall *wall, const struct watched_thread *watched, uint32_t sequence)
{
    return watched->activity == ACTIVE_BLOCKED && watched->sequence == sequence &&
           watched->stop_seen == wall->stop_changes && (int32_t)(wall->samples - watched->ask_at) < 0;
}

/* A thread in no hooked call. If the kernel is not asked, the thread is still in what it was seen in, with two exceptions:
   a wait has ended, and what it was blocked in is over if it has waited since. */
static void see_other(const struct sighting *seen)
{
    struct wall *wall = seen->wall;
    struct watched_thread *watched = seen->watched;
    const struct wait_stack *before = watched->stack;
    enum activity was = watched->activity;
    struct task task;

    if (seen->ask && !wall->dead) {
        ask_task(wall, watched, &task);
        set_task(seen, &task);
        watched->stop_seen = wall->stop_changes;
    } else if (wall->stop == TASK_STOPPED_WHOLE && !watched->stopped) {
        watched->stack = wait_stacks_intern(wall->waits, wall->stopped, NULL);
        watched->activity = ACTIVE_BLOCKED;
        watched->stopped = true;
    } else if (was == ACTIVE_WAITING || (was == ACTIVE_BLOCKED && watched->sequence != seen->sequence)) {
        set_activity(watched, ACTIVE_UNKNOWN);
    }
    watched->deferred = !seen->ask && !wall->dead && is_left_alone(wall, watched, seen->sequence);
    watched->sequence = seen->sequence;
    if (was != watched->activity || before != watched->stack)
        watched->since_ns = seen->now_ns;
}

/* Whether a thread that waits in a hooked call is stopped there. */
static bool is_stopped(const struct sighting *seen)
{
    struct wall *wall = seen->wall;
    struct task task;

    if (wall->dead || (wall->stop == TASK_STOPPED_ALONE && !seen->ask)) {
        wall->one_stopped |= seen->watched->stopped;
        return seen->watched->stopped;
    }
    if (wall->stop != TASK_STOPPED_ALONE)
        return wall->stop == TASK_STOPPED_WHOLE;
    ask_task(wall, seen->watched, &task);
    return task.state == TASK_STOPPED;
}

/* How much of the time since until_ns is known to be of the present activity. If a thread was never seen although
   its time began to count long ago, that is the wait that it is in. Its process has ended without a sample, or
   another uploader had it before. */
static int64_t known_share(struct wall *wall, const struct watched_thread *watched, int64_t now_ns)
{
    const struct watched_thread unseen = {.name = watched->name};
    int64_t share_ns = now_ns - watched->until_ns;
    int64_t wait_ns = watched->activity == ACTIVE_WAITING ? now_ns - watched->since_ns : 0;
    bool is_late = !watched->samples && (wall->dead || watched->start_ns < wall->since_ns);

    if (!is_late || wait_ns >= share_ns)
        return share_ns;
    wall_credit(wall, &unseen, share_ns - wait_ns, 0);
    return wait_ns;
}

static void account(struct wall *wall, struct watched_thread *watched, int64_t now_ns)
{
    int64_t share_ns;

    if (watched->deferred)
        return;
    share_ns = known_share(wall, watched, now_ns);
    watched->until_ns = now_ns;
    if (!watched->samples++)
        watched->credited_ns = share_ns;
    wall_credit(wall, watched, share_ns, 1);
}

/* A thread that ended without a hook's notice since the last sample, as a main thread does that leaves the others.
   What it was in is over. Its slot may stay for as long as the process lives. */
static void account_gone(struct wall *wall, struct watched_thread *watched, int64_t now_ns)
{
    watched->deferred = false;
    if (!watched->samples) /* it stands for threads that were never seen */
        account(wall, watched, now_ns);
    else
        wall_credit(wall, watched, (now_ns - watched->until_ns) / 2, 0);
    watched->until_ns = now_ns;
    set_activity(watched, ACTIVE_UNKNOWN);
}

static void watched_begin(const struct sighting *seen, int32_t tid, uint64_t start)
{
    uint32_t flags = atomic_load_explicit(&seen->slot->flags, memory_order_relaxed);
    int64_t last_ns = seen->wall->last_ns, start_ns = target_time(seen->wall->target, start);

    start_ns = start_ns < seen->now_ns ? start_ns : seen->now_ns;
    *seen->watched = (struct watched_thread){
        .tid = tid,
        .start = start,
        .start_ns = start_ns,
        .since_ns = start_ns,
        .until_ns = start_ns > last_ns ? start_ns : last_ns,
        /* Of an older thread it is unknown when its times were counted. */
        .has_times = start_ns >= last_ns && !(flags & THREAD_ADOPTED),
    };
}

static void see_slot(struct wall *wall, uint32_t i, bool ask, int64_t now_ns)
{
    struct seg_thread *slot = &wall->target->segment->thread[i];
    struct watched_thread *watched = &wall->watched[i];
    struct sighting seen = {.wall = wall, .watched = watched, .slot = slot, .ask = ask, .now_ns = now_ns};
    /* Pairs with the release of the slot's hand-out: start and handle are the new thread's. */
    int32_t tid = atomic_load_explicit(&slot->tid, memory_order_acquire);
    uint64_t start = slot->start_monotonic_ns;

    if (watched->tid && (watched->tid != tid || watched->start != start)) {
        wall_credit_deferred(wall, watched);
        wall_end_watched(wall, watched, now_ns - wall->last_ns);
    }
    if (tid <= 0 || watched->gone)
        return;
    if (!watched->tid)
        watched_begin(&seen, tid, start);
    watched->sample = wall->samples;
    watched->has_timer = atomic_load_explicit(&slot->flags, memory_order_relaxed) & THREAD_HAS_TIMER;
    seen.sequence = sequence_of(slot);
    if (seen.sequence != watched->sequence || watched->stop_seen != wall->stop_changes)
        wall_credit_deferred(wall, watched);
    watched->name = atomic_load_explicit(&slot->name, memory_order_relaxed) % LAYOUT_NAMES;
    if (!is_same_wait(watched, seen.sequence))
        wall_take_context(wall, slot, watched, seen.sequence);
    if (seen.sequence & 1)
        see_waiting(&seen, seen.sequence, is_stopped(&seen));
    else
        see_other(&seen);
    /* It may have begun to wait before the kernel was asked. */
    if (ask && !(seen.sequence & 1) && sequence_of(slot) & 1)
        see_waiting(&seen, sequence_of(slot), false);
    if (watched->gone)
        account_gone(wall, watched, now_ns);
    else
        account(wall, watched, now_ns);
}

enum need { NEED_NONE, NEED_LATER, NEED_FIRST };

/* Whether the kernel has to be asked for a thread, and how soon. First come new threads and those whose wait has
   ended: nothing is known of them. */
static enum need need_of(const struct wall *wall, uint32_t i)
{
    struct seg_thread *slot = &wall->target->segment->thread[i];
    const struct watched_thread *watched = &wall->watched[i];
    int32_t tid = atomic_load_explicit(&slot->tid, memory_order_relaxed);

    if (tid <= 0 || (watched->tid == tid && watched->gone))
        return NEED_NONE;
    if (sequence_of(slot) & 1)
        return wall->stop == TASK_STOPPED_ALONE ? NEED_LATER : NEED_NONE;
    if (watched->tid != tid || watched->activity == ACTIVE_UNKNOWN || watched->activity == ACTIVE_WAITING)
        return NEED_FIRST;
    return is_left_alone(wall, watched, sequence_of(slot)) ? NEED_NONE : NEED_LATER;
}

/* Another slot in each sample, since the budget may be used up before the last one. */
static uint32_t first_slot(const struct wall *wall, uint32_t slots)
{
    return slots ? wall->samples * UINT32_C(0x9e3779b1) % slots : 0;
}

/* Sees the threads of this need for which the kernel can be asked; at the last call all that were not seen yet. */
static void see_slots(struct wall *wall, uint32_t slots, enum need need, bool is_last, int64_t now_ns)
{
    unsigned *questions = &wall->budget->questions;
    uint32_t first = first_slot(wall, slots);

    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot = 1 + (first + i) % slots;
        const struct watched_thread *watched = &wall->watched[slot];
        bool ask;
        if ((watched->tid && watched->sample == wall->samples) || (need_of(wall, slot) != need && !is_last))
            continue;
        ask = *questions && need_of(wall, slot) != NEED_NONE;
        if (!ask && !is_last)
            continue;
        *questions -= ask;
        see_slot(wall, slot, ask, now_ns);
    }
}

/* Its time counts from its start, or from where ours begins. Time before its first sample is credited to what it is
   seen in then. */
static struct watched_thread untracked_begin(const struct wall *wall, const struct untracked_thread *thread)
{
    int64_t start_ns = thread->start_ns < wall->since_ns  ? wall->since_ns
                       : thread->start_ns > wall->last_ns ? wall->last_ns
                                                          : thread->start_ns;

    return (struct watched_thread){.tid = thread->tid,
                                   .start_ns = start_ns,
                                   .until_ns = start_ns,
                                   .since_ns = start_ns,
                                   .has_times = thread->start_ns >= wall->since_ns};
}

void wall_set_untracked(struct wall *wall, const struct untracked_threads *threads)
{
    struct watched_thread now[UNTRACKED_MOST] = {0};

    for (uint32_t i = 0; i < threads->count; i++) {
        now[i] = untracked_begin(wall, &threads->thread[i]);
        for (uint32_t n = 0; n < wall->untracked_count; n++) {
            if (wall->untracked[n].tid == threads->thread[i].tid) {
                now[i] = wall->untracked[n];
                wall->untracked[n].tid = 0;
            }
        }
        if (!now[i].name)
            now[i].name = target_own_name(wall->target, threads->thread[i].name);
    }
    for (uint32_t n = 0; n < wall->untracked_count; n++)
        if (wall->untracked[n].tid)
            wall_credit_deferred(wall, &wall->untracked[n]);
    memcpy(wall->untracked, now, threads->count * sizeof now[0]);
    wall->untracked_count = threads->count;
}

static bool has_slot(const struct wall *wall, int32_t tid)
{
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid == tid)
            return true;
    return false;
}

static void see_untracked(struct wall *wall, int64_t now_ns)
{
    for (uint32_t i = 0; i < wall->untracked_count; i++) {
        struct watched_thread *watched = &wall->untracked[i];
        bool ask = wall->budget->questions && !is_left_alone(wall, watched, 0);
        if (watched->tid && has_slot(wall, watched->tid)) { /* from now on its slot accounts for it */
            wall_credit_deferred(wall, watched);
            watched->tid = 0;
        }
        if (!watched->tid)
            continue;
        wall->budget->questions -= ask;
        see_other(&(struct sighting){.wall = wall, .watched = watched, .ask = ask, .now_ns = now_ns});
        if (watched->gone)
            watched->tid = 0;
        else
            account(wall, watched, now_ns);
    }
}

/* A number that changes with whatever the process does, as far as the segment shows it. *tid: one of its threads, another
   one in each sample. */
static uint64_t progress_of(const struct wall *wall, uint32_t slots, int32_t *tid)
{
    struct segment *segment = wall->target->segment;
    uint32_t first = first_slot(wall, slots);
    uint64_t sum = 0;

    *tid = 0;
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot = 1 + (first + i) % slots;
        int32_t id = atomic_load_explicit(&segment->thread[slot].tid, memory_order_relaxed);
        sum += (uint64_t)(uint32_t)id +
               atomic_load_explicit(&segment->thread[slot].wait_sequence, memory_order_relaxed);
        if (!*tid && id > 0 && !wall->watched[slot].gone)
            *tid = id;
    }
    for (int i = 0; i < COUNTERS; i++)
        sum += atomic_load_explicit(&segment->counter[i], memory_order_relaxed);
    return sum;
}

/* A process that made progress since the last sample is not stopped as a whole. Else one of its threads is asked. */
static void check_stop(struct wall *wall, uint32_t slots, int64_t now_ns)
{
    enum task_stop stop;
    uint64_t progress;
    int32_t tid;

    wall->one_stopped = false;
    if (wall->dead || !wall->target->pid)
        return;
    progress = progress_of(wall, slots, &tid);
    if (!wall_is_askable(wall))
        tid = wall->target->pid;
    if (progress != wall->progress) {
        wall->progress = progress;
        wall->idle = 0;
        wall->ask_stop_at = wall->samples;
        if (wall->stop == TASK_STOPPED_WHOLE)
            set_stop(wall, TASK_GOES_ON);
        if (now_ns - wall->last_ns < FAR_APART_NS)
            return;
    }
    if (!tid || !wall->budget->stops ||
        (wall->stop != TASK_STOPPED_WHOLE && (int32_t)(wall->samples - wall->ask_stop_at) < 0))
        return;
    wall->budget->stops--;
    stop = task_stop(wall->target->pid, tid);
    if (stop != TASK_GOES_ON || wall->stop != TASK_STOPPED_ALONE)
        set_stop(wall, stop);
    wall->ask_stop_at = wall->samples + (1u << wall->idle);
    wall->idle += wall->idle < IDLE_MOST;
}

void wall_change_profiles(struct wall *wall, uint32_t profiles, int64_t now_ns)
{
    if (!(wall->target->profiles & TARGET_THREAD_PROFILES) || !(profiles & TARGET_THREAD_PROFILES)) {
        if (wall->room)
            memset(wall->watched, 0, wall->room * sizeof *wall->watched);
        wall->untracked_count = 0;
        wall->last_ns = now_ns;
    }
    wall->target->profiles = profiles;
}

void wall_sample(struct wall *wall, struct wall_budget *budget, int64_t now_ns)
{
    uint32_t slots = target_used_slots(wall->target);
    struct watched_thread *watched;

    if (now_ns <= wall->last_ns)
        return;
    if (!(wall->target->profiles & TARGET_THREAD_PROFILES))
        wall->last_ns = now_ns;
    if (now_ns == wall->last_ns ||
        !(watched = array_reserve(wall->watched, &wall->room, slots, sizeof *watched)))
        return;
    wall->watched = watched;
    wall->samples++;
    wall->budget = budget;
    check_stop(wall, slots, now_ns);
    unwinder_begin_sample(wall->unwinder);
    wall_confirm_stacks(wall, slots);
    see_slots(wall, slots, NEED_FIRST, false, now_ns);
    see_slots(wall, slots, NEED_LATER, true, now_ns);
    see_untracked(wall, now_ns);
    if (wall->stop == TASK_STOPPED_ALONE && !wall->one_stopped)
        set_stop(wall, TASK_GOES_ON);
    wall->last_ns = now_ns;
}

struct wall_budget wall_budget(void)
{
    return (struct wall_budget){.questions = TASKS_PER_SAMPLE,
                                .walks = WALKS_PER_SAMPLE,
                                .stops = STOPS_PER_SAMPLE,
                                .late_ns = monotonic_ns() + LATE_NS};
}

void wall_set_dead(struct wall *wall)
{
    wall->dead = true;
}
