/* SPDX-License-Identifier: Apache-2.0 */
/* What each thread is in: its slot says so, or the kernel. */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/clock.h"
#include "uploader/options/options.h"
#include "uploader/process/tasks.h"
#include "uploader/target/segment.h"
#include "wall_state.h"

enum {
    COPY_FIRST = 4096,   /* of a stack, at once: most waits are not deeper */
    COPY_MOST = 65536,   /* to see whether a known stack is still there */
    TASKS_PER_LOOK = 64, /* threads whose state the kernel is asked for; the others keep the one they had */
    SAME_MOST = 5,       /* one that is blocked in the same again and again is asked at each 32nd look */
    STOPS_PER_LOOK = 16, /* processes in which nothing moves that are asked whether they are stopped; */
    STILL_MOST = 3,      /* one that goes on standing still is asked at each 8th look */
    WALKS_PER_LOOK = 8,  /* stacks that are unwound however long it takes, and as many as time allows */
};
#define LATE_NS   (5 * MS_NS)
#define SELDOM_NS (200 * MS_NS) /* between looks: one that moved may have been stopped for long since */

static bool moved_on(struct seg_thread *thread, uint32_t sequence)
{
    /* The reads of what the thread wrote before it raised the sequence come before this one. Pairs with the
       release at the wait's end: who still sees the sequence of its beginning saw nothing of a later wait. */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&thread->wait_sequence, memory_order_relaxed) != sequence;
}

/* Every return address is where it was: the same stack. */
static bool still_there(const struct wall *wall, const struct wait_stack *stack,
                        const uint64_t regs[LAYOUT_REGS])
{
    uint64_t word;

    if (!stack || !stack->frames || !stack->checkable || stack->frame[0].pc != regs[0])
        return false;
    for (uint32_t i = 1; i < stack->frames; i++)
        if (!unwinder_word(wall->unwinder, regs[1] + stack->frame[i].sp - sizeof word, &word) ||
            word != stack->frame[i].pc)
            return false;
    return true;
}

static size_t copy_size(const struct wait_stack *stack)
{
    uint64_t span = stack && stack->frames ? stack->frame[stack->frames - 1].sp : 0;
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

/* Libraries that came or went are seen by the target's own list, as far as samples were taken in them, and by
   the number of calls that may have brought or removed one. */
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

/* Stacks that there is no time for are unwound at the next look, which accounts for the time until then. */
static bool is_late(struct wall *wall)
{
    struct wall_budget *budget = wall->budget;

    if (budget->walks) {
        budget->walks--;
        return false;
    }
    return monotonic_ns() > budget->late_ns;
}

/* The stack of a thread that is in this wait, or the name of what it waits in alone. */
static struct wait_stack *unwind_wait(struct wall *wall, struct seg_thread *thread, uint32_t sequence,
                                      struct watched_thread *watched)
{
    struct stack_copy copy = {.low = thread->stack_low, .high = thread->stack_high};
    uint32_t kind = watched->kind;
    struct wait_stack *last;
    uint64_t regs[LAYOUT_REGS];
    int rc;

    /* First of all: the same addresses may be another module's by now. */
    check_modules(wall);
    last = watched->changes == wall->changes ? watched->stack : NULL;
    watched->changes = wall->changes;
    if (last && watched->confirmed == sequence)
        return last;
    memcpy(regs, thread->wait_regs, sizeof regs);
    if (wall->unreadable || !wall->target->pid || moved_on(thread, sequence))
        return wait_stacks_intern(wall->waits, wall->leaf[kind], NULL);
    copy.sp = regs[1];
    copy.size = copy_size(last);
    if (wall->dead)
        copy.error = -ESRCH;
    else
        unwinder_copy(wall->unwinder, &copy, 1);
    rc = copy.error;
    if (rc == -EPERM || rc == -ENOSYS || rc == -ETIMEDOUT)
        note_unreadable(wall, rc);
    /* Its memory is gone with it: a wait at the same call is taken for the one that was seen before. */
    if (rc == -ESRCH && last && last->leaf == wall->leaf[kind] && last->frames &&
        last->frame[0].pc == regs[0])
        return last;
    if (rc || moved_on(thread, sequence))
        return wait_stacks_intern(wall->waits, wall->leaf[kind], NULL);
    if (last && last->leaf == wall->leaf[kind] && still_there(wall, last, regs))
        return last;
    unwinder_walk(wall->unwinder, regs, &wall->unwound);
    if (wall->unwound.reread && moved_on(thread, sequence))
        return wait_stacks_intern(wall->waits, wall->leaf[kind], NULL);
    return wait_stacks_intern(wall->waits, wall->leaf[kind], &wall->unwound);
}

/* Who has the lock that this thread waits for, where it still does: the C library keeps it at the same place
   for all kinds and versions. Once the process is gone, what was seen last stays. */
void wall_ask_holder(struct wall *wall, struct seg_thread *thread, struct watched_thread *watched)
{
    enum wait_object who = wall_functions[watched->kind].who;
    size_t offset = who == WAIT_FOR_MUTEX ? offsetof(pthread_mutex_t, __data.__owner)
                                          : offsetof(pthread_rwlock_t, __data.__cur_writer);
    int32_t holder;

    if (who != WAIT_FOR_MUTEX && who != WAIT_FOR_RWLOCK)
        return;
    if (watched->object && !wall->unreadable && !wall->dead &&
        unwinder_read(wall->unwinder, watched->object + offset, &holder, sizeof holder) &&
        !moved_on(thread, watched->sequence))
        watched->holder = holder > 0 ? holder : 0;
}

static bool is_same_wait(const struct watched_thread *watched, uint32_t sequence)
{
    return watched->activity == ACTIVE_WAITING && watched->sequence == sequence && watched->stack;
}

static void see_waiting(struct wall *wall, struct seg_thread *thread, struct watched_thread *watched,
                        uint32_t sequence, bool stopped, int64_t now_ns)
{
    uint32_t kind = thread->wait_kind;
    int64_t since_ns;

    if (is_same_wait(watched, sequence) && !watched->owed && watched->stopped == stopped)
        return;
    since_ns = stopped ? now_ns : target_time_of_ticks(wall->target, thread->wait_since_ticks, now_ns);
    watched->kind = kind < WAITS ? kind : WAIT_NONE;
    watched->object = thread->wait_object;
    watched->holder = 0;
    watched->owed = !wall->dead && watched->confirmed != sequence && is_late(wall);
    watched->stack = watched->owed ? wait_stacks_intern(wall->waits, wall->leaf[watched->kind], NULL)
                                   : unwind_wait(wall, thread, sequence, watched);
    watched->activity = ACTIVE_WAITING;
    watched->sequence = sequence;
    watched->since_ns = since_ns <= now_ns ? since_ns : now_ns;
    if (!watched->owed)
        wall_ask_holder(wall, thread, watched);
    watched->stopped = stopped;
    if (stopped)
        watched->stack = wait_stacks_below(wall->waits, wall->stopped, watched->stack);
}

/* Is it where it was, in the same call? It may have left it, and come again, meanwhile. */
static bool is_still_there(const struct wall *wall, const struct watched_thread *watched,
                           const struct task *before)
{
    struct task now;

    task_read_call(wall->target->pid, watched->tid, &now);
    return now.pc == before->pc && now.sp == before->sp &&
           (!*now.what || !*before->what || !strcmp(now.what, before->what));
}

/* The stack of a thread that is blocked where no hook says so: the kernel knows where it left for it. */
static struct wait_stack *unwind_blocked(struct wall *wall, const struct seg_thread *thread,
                                         struct watched_thread *watched, const struct task *task,
                                         const char *leaf)
{
    const uint64_t regs[LAYOUT_REGS] = {task->pc, task->sp};
    struct stack_copy copy = {.sp = task->sp};
    struct wait_stack *last;

    check_modules(wall);
    last = watched->changes == wall->changes && watched->stack && watched->stack->leaf == leaf
               ? watched->stack
               : NULL;
    watched->changes = wall->changes;
    if (!task->sp || wall->unreadable)
        return wait_stacks_intern(wall->waits, leaf, NULL);
    if (thread) {
        copy.low = thread->stack_low;
        copy.high = thread->stack_high;
    }
    copy.size = copy_size(last);
    unwinder_copy(wall->unwinder, &copy, 1);
    if (copy.error == -EPERM || copy.error == -ENOSYS || copy.error == -ETIMEDOUT)
        note_unreadable(wall, copy.error);
    if (copy.error)
        return wait_stacks_intern(wall->waits, leaf, NULL);
    if (last && still_there(wall, last, regs))
        return last;
    if (is_late(wall))
        return last ? last : wait_stacks_intern(wall->waits, leaf, NULL);
    unwinder_walk_from(wall->unwinder, task->pc, task->sp, &wall->unwound);
    return wait_stacks_intern(wall->waits, leaf, is_still_there(wall, watched, task) ? &wall->unwound : NULL);
}

static void set_blocked(struct wall *wall, const struct seg_thread *thread, struct watched_thread *watched,
                        const struct task *task)
{
    struct wait_stack *stack;
    char text[64];
    const char *leaf;

    watched->stopped = task->state == TASK_STOPPED;
    snprintf(text, sizeof text, "[blocked%s%s]", *task->what ? ": " : "", task->what);
    leaf = watched->stopped ? wall->stopped : symbols_intern(wall->target->programs->symbols, text);
    watched->what = symbols_intern(wall->target->programs->symbols, task->what);
    stack = leaf ? unwind_blocked(wall, thread, watched, task, leaf) : NULL;
    if (watched->activity != ACTIVE_BLOCKED || watched->stack != stack)
        watched->same = 0;
    else if (watched->same < SAME_MOST)
        watched->same++;
    watched->ask_at = wall->looks + (1u << watched->same);
    watched->activity = ACTIVE_BLOCKED;
    watched->stack = stack;
}

static void set_unknown(struct watched_thread *watched)
{
    watched->activity = ACTIVE_UNKNOWN;
    watched->stopped = false;
    watched->stack = NULL;
}

/* What the kernel says of it. One that is gone spent its last moments in what it was seen in, if that is not
   known to be over. */
static void set_task(struct wall *wall, const struct seg_thread *thread, struct watched_thread *watched,
                     const struct task *task)
{
    if (task->state == TASK_BLOCKED || task->state == TASK_STOPPED) {
        set_blocked(wall, thread, watched, task);
    } else if (task->state == TASK_RUNNING) {
        watched->activity = ACTIVE_RUNNING;
        watched->stopped = false;
        watched->stack = NULL;
        watched->has_run = true;
        wall_take_times(wall, watched);
    } else if (watched->activity == ACTIVE_WAITING) {
        set_unknown(watched);
    }
    watched->gone = task->state == TASK_GONE;
}

static void set_stop(struct wall *wall, enum task_stop stop)
{
    wall->stops += wall->stop != stop;
    wall->stop = stop;
}

/* A thread of a process that is stopped is, too, whatever it was doing. */
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

/* Blocked in the same, again and again, and in no hooked call since: it is asked seldom, and then for all the
   time since it was asked last. */
static bool is_left_alone(const struct wall *wall, const struct watched_thread *watched, uint32_t sequence)
{
    return watched->activity == ACTIVE_BLOCKED && watched->sequence == sequence &&
           watched->stops == wall->stops && (int32_t)(wall->looks - watched->ask_at) < 0;
}

/* In no hooked call: the kernel knows. Who is not asked is still in what he was seen in, unless it was a
   wait, which has ended, or he has waited since. */
static void see_other(struct wall *wall, const struct seg_thread *thread, struct watched_thread *watched,
                      uint32_t sequence, bool ask, int64_t now_ns)
{
    const struct wait_stack *before = watched->stack;
    enum activity was = watched->activity;
    struct task task;

    if (ask && !wall->dead) {
        ask_task(wall, watched, &task);
        set_task(wall, thread, watched, &task);
        watched->stops = wall->stops;
    } else if (wall->stop == TASK_STOPPED_WHOLE && !watched->stopped) {
        watched->stack = wait_stacks_intern(wall->waits, wall->stopped, NULL);
        watched->activity = ACTIVE_BLOCKED;
        watched->stopped = true;
    } else if (was == ACTIVE_WAITING || (was == ACTIVE_BLOCKED && watched->sequence != sequence)) {
        set_unknown(watched);
    }
    watched->owed = !ask && !wall->dead && is_left_alone(wall, watched, sequence);
    watched->sequence = sequence;
    if (was != watched->activity || before != watched->stack)
        watched->since_ns = now_ns;
}

static uint32_t sequence_of(struct seg_thread *thread)
{
    /* Odd: pairs with the release at the wait's beginning, kind, time and registers are this wait's. */
    return atomic_load_explicit(&thread->wait_sequence, memory_order_acquire);
}

static void watched_begin(struct watched_thread *watched, const struct seg_thread *thread, int32_t tid,
                          uint64_t start, int64_t start_ns, int64_t last_ns, int64_t now_ns)
{
    uint32_t flags = atomic_load_explicit(&thread->flags, memory_order_relaxed);

    start_ns = start_ns < now_ns ? start_ns : now_ns;
    *watched = (struct watched_thread){.tid = tid, .start = start, .since_ns = start_ns};
    watched->start_ns = start_ns;
    watched->until_ns = start_ns > last_ns ? start_ns : last_ns;
    /* A new one has used no CPU before; of others it is not known what was counted when. */
    watched->has_times = start_ns >= last_ns && !(flags & THREAD_ADOPTED);
}

/* Its time began to count long before this look, and nobody looked: its process has ended without one, or
   another uploader had it before. */
static bool is_unseen_so_far(const struct wall *wall, const struct watched_thread *watched)
{
    return !watched->looks && (wall->dead || watched->start_ns < wall->since_ns);
}

/* Of such a thread only the wait that it is in is known, where it is in one. */
static int64_t share_of_last_wait(struct wall *wall, const struct watched_thread *watched, int64_t share_ns,
                                  int64_t now_ns)
{
    const struct watched_thread unseen = {.name = watched->name};
    int64_t wait_ns = watched->activity == ACTIVE_WAITING ? now_ns - watched->since_ns : 0;

    if (!is_unseen_so_far(wall, watched) || wait_ns >= share_ns)
        return share_ns;
    wall_credit(wall, &unseen, share_ns - wait_ns, 0);
    return wait_ns;
}

static void account(struct wall *wall, struct watched_thread *watched, int64_t now_ns)
{
    int64_t share_ns;

    if (watched->owed)
        return;
    share_ns = share_of_last_wait(wall, watched, now_ns - watched->until_ns, now_ns);
    watched->until_ns = now_ns;
    if (!watched->looks++)
        watched->credited_ns = share_ns;
    wall_credit(wall, watched, share_ns, 1);
}

/* It has ended since the last look, without a hook's notice: as the main thread does that leaves the others
   to go on. What it was in is over, and its slot may stay for as long as the process lives. */
static void account_gone(struct wall *wall, struct watched_thread *watched, int64_t now_ns)
{
    watched->owed = false;
    if (!watched->looks) /* nobody knows when: it stands for those that were never seen */
        account(wall, watched, now_ns);
    else
        wall_credit(wall, watched, (now_ns - watched->until_ns) / 2, 0);
    watched->until_ns = now_ns;
    set_unknown(watched);
}

/* Whether a thread that waits in a hooked call is stopped there. */
static bool is_stopped(struct wall *wall, const struct watched_thread *watched, bool ask)
{
    struct task task;

    if (wall->dead || (wall->stop == TASK_STOPPED_ALONE && !ask)) {
        wall->one_stopped |= watched->stopped;
        return watched->stopped;
    }
    if (wall->stop != TASK_STOPPED_ALONE)
        return wall->stop == TASK_STOPPED_WHOLE;
    ask_task(wall, watched, &task);
    return task.state == TASK_STOPPED;
}

static void look_at(struct wall *wall, uint32_t slot, bool ask, int64_t now_ns)
{
    struct seg_thread *thread = &wall->target->segment->thread[slot];
    struct watched_thread *watched = &wall->watched[slot];
    /* Pairs with the release of the slot's hand-out: start and handle are the new thread's. */
    int32_t tid = atomic_load_explicit(&thread->tid, memory_order_acquire);
    uint64_t start = thread->start_monotonic_ns;
    uint32_t sequence;

    if (watched->tid && (watched->tid != tid || watched->start != start)) {
        wall_pay(wall, watched);
        wall_end_watched(wall, watched, now_ns - wall->last_ns);
    }
    if (tid <= 0 || watched->gone)
        return;
    if (!watched->tid)
        watched_begin(watched, thread, tid, start, target_time(wall->target, start), wall->last_ns, now_ns);
    watched->look = wall->looks;
    watched->has_timer = atomic_load_explicit(&thread->flags, memory_order_relaxed) & THREAD_HAS_TIMER;
    sequence = sequence_of(thread);
    if (sequence != watched->sequence || watched->stops != wall->stops)
        wall_pay(wall, watched);
    watched->name = atomic_load_explicit(&thread->name, memory_order_relaxed) % LAYOUT_NAMES;
    if (sequence & 1)
        see_waiting(wall, thread, watched, sequence, is_stopped(wall, watched, ask), now_ns);
    else
        see_other(wall, thread, watched, sequence, ask, now_ns);
    /* Between the look at its slot and the question it may have begun to wait. */
    if (ask && !(sequence & 1) && sequence_of(thread) & 1)
        see_waiting(wall, thread, watched, sequence_of(thread), false, now_ns);
    if (watched->gone)
        account_gone(wall, watched, now_ns);
    else
        account(wall, watched, now_ns);
}

static bool make_room(struct wall *wall, uint32_t slots)
{
    uint32_t room = slots + slots / 2 + 16;
    struct watched_thread *grown;

    if (slots < wall->room)
        return true;
    grown = realloc(wall->watched, room * sizeof *grown);
    if (!grown)
        return false;
    memset(grown + wall->room, 0, (room - wall->room) * sizeof *grown);
    wall->watched = grown;
    wall->room = room;
    return true;
}

enum need { NEED_NONE, NEED_LATER, NEED_FIRST };

/* Whether the kernel has to be asked for what a thread does, and how soon: nothing is known of a new one, and
   of one whose wait has ended. */
static enum need need_of(const struct wall *wall, uint32_t slot)
{
    struct seg_thread *thread = &wall->target->segment->thread[slot];
    const struct watched_thread *watched = &wall->watched[slot];
    int32_t tid = atomic_load_explicit(&thread->tid, memory_order_relaxed);

    if (tid <= 0 || (watched->tid == tid && watched->gone))
        return NEED_NONE;
    if (sequence_of(thread) & 1)
        return wall->stop == TASK_STOPPED_ALONE ? NEED_LATER : NEED_NONE;
    if (watched->tid != tid || watched->activity == ACTIVE_UNKNOWN || watched->activity == ACTIVE_WAITING)
        return NEED_FIRST;
    return is_left_alone(wall, watched, sequence_of(thread)) ? NEED_NONE : NEED_LATER;
}

/* Looks at those whose need is this, so many of them with a question; the others at the last call. */
static void look_at_those(struct wall *wall, uint32_t slots, enum need need, bool is_last, int64_t now_ns)
{
    unsigned *questions = &wall->budget->questions;
    /* Elsewhere each time: whoever comes last may be left over. */
    uint32_t first = slots ? wall->looks * UINT32_C(0x9e3779b1) % slots : 0;

    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot = 1 + (first + i) % slots;
        struct watched_thread *watched = &wall->watched[slot];
        bool ask;
        if ((watched->tid && watched->look == wall->looks) || (need_of(wall, slot) != need && !is_last))
            continue;
        ask = *questions && need_of(wall, slot) != NEED_NONE;
        if (!ask && !is_last)
            continue;
        *questions -= ask;
        look_at(wall, slot, ask, now_ns);
    }
}

/* Its time counts from its start, or from where ours begins; what was before is given to what is seen first.
 */
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
            wall_pay(wall, &wall->untracked[n]);
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

static void look_at_untracked(struct wall *wall, int64_t now_ns)
{

    for (uint32_t i = 0; i < wall->untracked_count; i++) {
        struct watched_thread *watched = &wall->untracked[i];
        bool ask = wall->budget->questions && !is_left_alone(wall, watched, 0);
        if (watched->tid && has_slot(wall, watched->tid)) { /* by now: its slot accounts for it */
            wall_pay(wall, watched);
            watched->tid = 0;
        }
        if (!watched->tid)
            continue;
        wall->budget->questions -= ask;
        see_other(wall, NULL, watched, 0, ask, now_ns);
        if (watched->gone)
            watched->tid = 0;
        else
            account(wall, watched, now_ns);
    }
}

/* Threads that are in new waits, probably where they were the last time. */
struct revisits {
    struct watched_thread *watched[UNWIND_COPIES];
    struct seg_thread *thread[UNWIND_COPIES];
    uint32_t sequence[UNWIND_COPIES];
    uint64_t regs[UNWIND_COPIES][LAYOUT_REGS];
    struct stack_copy copy[UNWIND_COPIES];
    unsigned count;
};

static void revisits_end(struct wall *wall, struct revisits *revisits)
{
    if (revisits->count)
        unwinder_copy(wall->unwinder, revisits->copy, revisits->count);
    for (unsigned i = 0; i < revisits->count; i++) {
        if (revisits->copy[i].error || moved_on(revisits->thread[i], revisits->sequence[i]))
            continue;
        unwinder_use(wall->unwinder, &revisits->copy[i]);
        if (still_there(wall, revisits->watched[i]->stack, revisits->regs[i]))
            revisits->watched[i]->confirmed = revisits->sequence[i];
    }
    revisits->count = 0;
}

static void revisits_add(const struct wall *wall, struct revisits *revisits, struct seg_thread *thread,
                         struct watched_thread *watched)
{
    const struct wait_stack *stack = watched->stack;
    uint32_t sequence = sequence_of(thread), kind = thread->wait_kind;
    unsigned n = revisits->count;

    if (!(sequence & 1) || (is_same_wait(watched, sequence) && !watched->owed) || !stack || !stack->frames ||
        watched->changes != wall->changes || kind >= WAITS || stack->leaf != wall->leaf[kind])
        return;
    revisits->watched[n] = watched;
    revisits->thread[n] = thread;
    revisits->sequence[n] = sequence;
    memcpy(revisits->regs[n], thread->wait_regs, sizeof revisits->regs[n]);
    revisits->copy[n] = (struct stack_copy){.sp = revisits->regs[n][1],
                                            .low = thread->stack_low,
                                            .high = thread->stack_high,
                                            .size = copy_size(stack)};
    revisits->count++;
}

/* Confirms the stacks that are as they were, many by one system call: by far the most of threads that wait
   again and again. */
static void revisit(struct wall *wall, uint32_t slots)
{
    struct revisits revisits;

    revisits.count = 0;
    if (wall->unreadable || wall->dead || !wall->target->pid)
        return;
    check_modules(wall);
    for (uint32_t slot = 1; slot <= slots; slot++) {
        struct seg_thread *thread = &wall->target->segment->thread[slot];
        struct watched_thread *watched = &wall->watched[slot];
        if (watched->tid && watched->start == thread->start_monotonic_ns &&
            watched->tid == atomic_load_explicit(&thread->tid, memory_order_relaxed))
            revisits_add(wall, &revisits, thread, watched);
        if (revisits.count < UNWIND_COPIES)
            continue;
        revisits_end(wall, &revisits);
        if (monotonic_ns() > wall->budget->late_ns)
            return;
    }
    revisits_end(wall, &revisits);
}

/* A number that changes with whatever the process does, as far as the segment shows it; and one of the
   threads, another one each time. */
static uint64_t motion_of(const struct wall *wall, uint32_t slots, int32_t *tid)
{
    struct segment *segment = wall->target->segment;
    uint32_t first = slots ? wall->looks * UINT32_C(0x9e3779b1) % slots : 0;
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

/* A process in which something has moved since the last look is not stopped, at least not as a whole. One
   that stands still is asked, by one of its threads. */
static void look_for_stop(struct wall *wall, uint32_t slots, int64_t now_ns)
{
    enum task_stop stop;
    uint64_t motion;
    int32_t tid;

    wall->one_stopped = false;
    if (wall->dead || !wall->target->pid)
        return;
    motion = motion_of(wall, slots, &tid);
    if (!wall_is_askable(wall))
        tid = wall->target->pid;
    if (motion != wall->motion) {
        wall->motion = motion;
        wall->still = 0;
        wall->stop_at = wall->looks;
        if (wall->stop == TASK_STOPPED_WHOLE)
            set_stop(wall, TASK_GOES_ON);
        if (now_ns - wall->last_ns < SELDOM_NS)
            return;
    }
    if (!tid || !wall->budget->stops ||
        (wall->stop != TASK_STOPPED_WHOLE && (int32_t)(wall->looks - wall->stop_at) < 0))
        return;
    wall->budget->stops--;
    stop = task_stop(wall->target->pid, tid);
    if (stop != TASK_GOES_ON || wall->stop != TASK_STOPPED_ALONE)
        set_stop(wall, stop);
    wall->stop_at = wall->looks + (1u << wall->still);
    wall->still += wall->still < STILL_MOST;
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

    if (now_ns <= wall->last_ns)
        return;
    if (!(wall->target->profiles & TARGET_THREAD_PROFILES))
        wall->last_ns = now_ns;
    if (now_ns == wall->last_ns || !make_room(wall, slots))
        return;
    wall->looks++;
    wall->budget = budget;
    look_for_stop(wall, slots, now_ns);
    unwinder_begin_sample(wall->unwinder);
    revisit(wall, slots);
    look_at_those(wall, slots, NEED_FIRST, false, now_ns);
    look_at_those(wall, slots, NEED_LATER, true, now_ns);
    look_at_untracked(wall, now_ns);
    if (wall->stop == TASK_STOPPED_ALONE && !wall->one_stopped)
        set_stop(wall, TASK_GOES_ON);
    wall->last_ns = now_ns;
}

struct wall_budget wall_budget(void)
{
    return (struct wall_budget){.questions = TASKS_PER_LOOK,
                                .walks = WALKS_PER_LOOK,
                                .stops = STOPS_PER_LOOK,
                                .late_ns = monotonic_ns() + LATE_NS};
}

void wall_set_dead(struct wall *wall)
{
    wall->dead = true;
}
