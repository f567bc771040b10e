/* SPDX-License-Identifier: Apache-2.0 */
#include "wall.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "map.h"
#include "options.h"
#include "target.h"
#include "tasks.h"
#include "times.h"
#include "waits.h"

enum {
    COPY_FIRST = 4096,   /* of a stack, at once: most waits are not deeper */
    COPY_MOST = 65536,   /* to see whether a known stack is still there */
    TASKS_PER_LOOK = 64, /* threads whose state the kernel is asked for; the others keep the one they had */
    SAME_MOST = 5,       /* one that is blocked in the same again and again is asked at each 32nd look */
    WALKS_PER_LOOK = 8,  /* stacks that are unwound however long it takes, and as many as time allows */
    LATE_SAMPLES = 4,    /* of one thread, that may come in the round after their time */
};
#define BRIEF_NS SECOND_NS
#define LATE_NS  (5 * MS_NS)

struct wait_function {
    const char *state, *function;
    enum wait_object who; /* that is waited for */
};
#define X(function, state, who) {state, #function, WAIT_FOR_##who},
static const struct wait_function wait_functions[WAITS] = {{"blocked", "[blocked]", WAIT_FOR_NOBODY},
                                                           LAYOUT_WAITS(X)};
#undef X

/* UNKNOWN: it was not asked, or is asked no more, and what it was seen in is over. */
enum activity { ACTIVE_UNKNOWN, ACTIVE_WAITING, ACTIVE_BLOCKED, ACTIVE_RUNNING };

/* What we remember of a slot from look to look. */
struct watched {
    int32_t tid; /* 0: nobody */
    uint32_t name, sequence, looks;
    uint32_t kind;   /* enum wait_kind, while waiting */
    uint64_t object; /* seg_thread.wait_object, likewise */
    int32_t holder;  /* tid of the thread that had the lock when it was last asked; 0: not known */
    enum activity activity;
    bool ending; /* its task is gone, its slot is not */
    bool has_timer, has_run;
    bool has_times;          /* when they were read, or as they are of a new thread */
    struct task_times times; /* as of then */
    uint32_t look;           /* number of the last one */
    uint32_t ask_at,
        same;         /* look at which it is asked next; times in a row that it was blocked in the same */
    int64_t until_ns; /* its time is accounted for until then */
    bool owed; /* what it does is not known well yet, or not asked for: the next look accounts for it */
    uint32_t changes;   /* wall.changes when its stack was unwound */
    uint32_t confirmed; /* sequence of the last wait that its stack was found in again */
    uint64_t start;
    int64_t since_ns;         /* in this activity */
    int64_t credited_ns;      /* at its first look */
    struct wait_stack *stack; /* NULL: running */
    const char *what;         /* interned; blocked in this */
};

/* Sums over the threads of one name since the last round. */
struct sums {
    struct times times;          /* blocked_ns: all of its entries in pending */
    int64_t lived_ns, before_ns; /* before since_ns: the threads that were there then, and their CPU time */
    struct stack *newest;        /* copy of the stack with the most CPU time */
    int64_t newest_ns;
    uint32_t running; /* threads, at the last look */
};

/* What one look may cost, at all targets together. */
struct budget {
    unsigned questions, walks; /* walks: that are made even if it is late */
    int64_t late_ns;
};

struct pending {
    int64_t ns, looks;
};

struct wall {
    struct waits *waits;
    struct unwinder *unwinder;
    struct unwound unwound;
    struct watched *watched;
    struct watched stray[LAYOUT_ADOPT]; /* threads without a slot: no hook saw them */
    uint32_t strays;
    uint32_t room;
    uint32_t looks;
    uint32_t profiles;       /* what was recorded since the last look */
    bool dead;               /* the process is: nothing can be asked any more */
    struct budget *budget;   /* of the present look */
    struct map keys;         /* stack, thread name; to */
    struct pending *pending; /* what was seen, by number - 1 */
    size_t pending_room;
    int64_t since_ns, last_ns; /* the first and the last instant that is accounted for */
    bool unreadable,
        noted_unreadable; /* its memory is not shown to us: until the next round, and a line said so */
    uint32_t epoch, modules, unloads; /* of the segment, when the mappings were read */
    uint32_t changes;                 /* after which an address may be in another module than before */
    const char *leaf[WAITS];          /* interned */
    struct sums sums[LAYOUT_NAMES];
};

static struct sums *sums_of(struct wall *wall, uint32_t name)
{
    return &wall->sums[name < LAYOUT_NAMES ? name : 0];
}

static void note_lived_before(struct target *target, struct wall *wall)
{
    uint32_t slots = target_used_slots(target);

    for (uint32_t i = 1; i <= slots; i++) {
        struct seg_thread *thread = &target->segment->thread[i];
        uint32_t name = atomic_load_explicit(&thread->name, memory_order_relaxed);
        if (atomic_load_explicit(&thread->tid, memory_order_acquire) > 0 &&
            thread->start_monotonic_ns < (uint64_t)wall->since_ns)
            times_add(&sums_of(wall, name)->lived_ns, wall->since_ns - (int64_t)thread->start_monotonic_ns);
    }
}

struct wall *wall_new(struct target *target, int64_t since_ns)
{
    struct symbols *symbols = target->programs->symbols;
    struct wall *wall = calloc(1, sizeof *wall);

    if (!wall)
        return NULL;
    wall->keys.words = 2;
    wall->since_ns = wall->last_ns = since_ns;
    wall->profiles = atomic_load_explicit(&target->segment->control.profiles, memory_order_relaxed);
    for (int i = 0; i < WAITS; i++)
        wall->leaf[i] = symbols_intern(symbols, wait_functions[i].function);
    wall->waits = waits_new(symbols, &target->source);
    wall->unwinder = unwinder_new(target->pid, &target->source, symbols);
    if (target->resumed)
        note_lived_before(target, wall);
    if (wall->waits && wall->unwinder)
        return wall;
    wall_free(wall);
    return NULL;
}

void wall_free(struct wall *wall)
{
    if (!wall)
        return;
    for (int i = 0; i < LAYOUT_NAMES; i++)
        free(wall->sums[i].newest);
    waits_free(wall->waits);
    unwinder_free(wall->unwinder);
    map_free(&wall->keys);
    free(wall->pending);
    free(wall->watched);
    free(wall);
}

static const uint32_t wall_profile_bits = 1u << PROFILE_WALL | 1u << PROFILE_OFF_CPU | 1u << PROFILE_THREADS;

static uint32_t segment_profiles(const struct target *target)
{
    return atomic_load_explicit(&target->segment->control.profiles, memory_order_relaxed);
}

bool wall_wanted(const struct target *target)
{
    return segment_profiles(target) & wall_profile_bits;
}

uint32_t wall_profiles(const struct target *target)
{
    return target->wall->profiles;
}

static struct pending *pending_of(struct wall *wall, const struct wait_stack *stack, uint32_t name)
{
    uint32_t number = map_number(&wall->keys, (const uint64_t[2]){(uintptr_t)stack, name}, NULL);

    if (number > wall->pending_room) {
        size_t room = 2 * number + 64;
        struct pending *grown = realloc(wall->pending, room * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + wall->pending_room, 0, (room - wall->pending_room) * sizeof *grown);
        wall->pending = grown;
        wall->pending_room = room;
    }
    return number ? &wall->pending[number - 1] : NULL;
}

/* Gives a thread that much time in what it was last seen in. */
static void credit(struct wall *wall, const struct watched *watched, int64_t ns, int64_t looks)
{
    struct times *times = &sums_of(wall, watched->name)->times;
    struct pending *pending = watched->stack ? pending_of(wall, watched->stack, watched->name) : NULL;

    if (pending) {
        pending->ns += ns;
        pending->looks += looks;
        times_add(&times->blocked_ns, ns);
        times->blocked_looks += looks;
    } else if (watched->activity == ACTIVE_RUNNING) {
        times_add(&times->running_ns, ns);
        times->running_looks += looks;
    } else {
        times_add(&times->unseen_ns, ns);
    }
}

/* Ended since the last look: half of the time is what is to be expected. One that was seen only once stands
   for all those that lived between two looks: one period, whenever it began. */
static void watched_end(struct wall *wall, struct watched *watched, int64_t elapsed_ns)
{
    if (watched->looks == 1 && watched->credited_ns < elapsed_ns)
        credit(wall, watched, elapsed_ns - watched->credited_ns, 0);
    else
        credit(wall, watched, elapsed_ns / 2, 0);
    *watched = (struct watched){0};
}

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

static void note_unreadable(struct target *target, int error)
{
    target->wall->unreadable = true;
    if (target->wall->noted_unreadable)
        return;
    target->wall->noted_unreadable = true;
    log_info(
        "%s[%d]: stacks of waiting threads cannot be read (%s): the functions they wait in are shown alone",
        target->program->name, (int)target->pid, strerror(-error));
}

/* Libraries that came or went are seen by the target's own list, as far as samples were taken in them, and by
   the number of calls that may have brought or removed one. */
static void check_modules(struct target *target)
{
    struct wall *wall = target->wall;
    struct seg_header *header = &target->segment->header;
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
    struct budget *budget = wall->budget;

    if (budget->walks) {
        budget->walks--;
        return false;
    }
    return monotonic_ns() > budget->late_ns;
}

/* The stack of a thread that is in this wait, or the name of what it waits in alone. */
static struct wait_stack *unwind_wait(struct target *target, struct seg_thread *thread, uint32_t sequence,
                                      struct watched *watched)
{
    struct wall *wall = target->wall;
    struct stack_copy copy = {.low = thread->stack_low, .high = thread->stack_high};
    uint32_t kind = watched->kind;
    struct wait_stack *last;
    uint64_t regs[LAYOUT_REGS];
    int rc;

    /* First of all: the same addresses may be another module's by now. */
    check_modules(target);
    last = watched->changes == wall->changes ? watched->stack : NULL;
    watched->changes = wall->changes;
    if (last && watched->confirmed == sequence)
        return last;
    memcpy(regs, thread->wait_regs, sizeof regs);
    if (wall->unreadable || !target->pid || moved_on(thread, sequence))
        return waits_intern(wall->waits, wall->leaf[kind], NULL);
    copy.sp = regs[1];
    copy.size = copy_size(last);
    if (wall->dead)
        copy.error = -ESRCH;
    else
        unwinder_copy(wall->unwinder, &copy, 1);
    rc = copy.error;
    if (rc == -EPERM || rc == -ENOSYS)
        note_unreadable(target, rc);
    /* Its memory is gone with it: a wait at the same call is taken for the one that was seen before. */
    if (rc == -ESRCH && last && last->leaf == wall->leaf[kind] && last->frames &&
        last->frame[0].pc == regs[0])
        return last;
    if (rc || moved_on(thread, sequence))
        return waits_intern(wall->waits, wall->leaf[kind], NULL);
    if (last && last->leaf == wall->leaf[kind] && still_there(wall, last, regs))
        return last;
    unwinder_walk(wall->unwinder, regs, &wall->unwound);
    if (wall->unwound.reread && moved_on(thread, sequence))
        return waits_intern(wall->waits, wall->leaf[kind], NULL);
    return waits_intern(wall->waits, wall->leaf[kind], &wall->unwound);
}

/* Who has the lock that this thread waits for, where it still does: the C library keeps it at the same place
   for all kinds and versions. Once the process is gone, what was seen last stays. */
static void ask_holder(struct target *target, struct seg_thread *thread, struct watched *watched)
{
    enum wait_object who = wait_functions[watched->kind].who;
    size_t offset = who == WAIT_FOR_MUTEX ? offsetof(pthread_mutex_t, __data.__owner)
                                          : offsetof(pthread_rwlock_t, __data.__cur_writer);
    int32_t holder;

    if (who != WAIT_FOR_MUTEX && who != WAIT_FOR_RWLOCK)
        return;
    if (watched->object && !target->wall->unreadable && !target->wall->dead &&
        unwinder_read(target->wall->unwinder, watched->object + offset, &holder, sizeof holder) &&
        !moved_on(thread, watched->sequence))
        watched->holder = holder > 0 ? holder : 0;
}

static bool is_same_wait(const struct watched *watched, uint32_t sequence)
{
    return watched->activity == ACTIVE_WAITING && watched->sequence == sequence && watched->stack;
}

static void see_waiting(struct target *target, struct seg_thread *thread, struct watched *watched,
                        uint32_t sequence, int64_t now_ns)
{
    uint32_t kind = thread->wait_kind;
    int64_t since_ns;

    watched->ending = false;
    if (is_same_wait(watched, sequence) && !watched->owed)
        return;
    since_ns = target_time_of_ticks(target, thread->wait_since_ticks, now_ns);
    watched->kind = kind < WAITS ? kind : WAIT_NONE;
    watched->object = thread->wait_object;
    watched->holder = 0;
    watched->owed = !target->wall->dead && watched->confirmed != sequence && is_late(target->wall);
    watched->stack = watched->owed
                         ? waits_intern(target->wall->waits, target->wall->leaf[watched->kind], NULL)
                         : unwind_wait(target, thread, sequence, watched);
    watched->activity = ACTIVE_WAITING;
    watched->sequence = sequence;
    watched->since_ns = since_ns <= now_ns ? since_ns : now_ns;
    if (!watched->owed)
        ask_holder(target, thread, watched);
}

static void set_blocked(struct target *target, struct watched *watched, const struct task *task)
{
    struct wait_stack *stack;
    char text[64];
    const char *leaf;

    snprintf(text, sizeof text, "[%s%s%s]", task->state == TASK_STOPPED ? "stopped" : "blocked",
             *task->what ? ": " : "", task->what);
    leaf = symbols_intern(target->programs->symbols, text);
    watched->what = symbols_intern(target->programs->symbols, task->what);
    stack = leaf ? waits_intern(target->wall->waits, leaf, NULL) : NULL;
    if (watched->activity != ACTIVE_BLOCKED || watched->stack != stack)
        watched->same = 0;
    else if (watched->same < SAME_MOST)
        watched->same++;
    watched->ask_at = target->wall->looks + (1u << watched->same);
    watched->activity = ACTIVE_BLOCKED;
    watched->stack = stack;
}

static bool is_askable(const struct target *target)
{
    return !target->wall->dead && target->segment->header.pid == target->pid;
}

/* What the kernel has counted since the last time: how long it waited for a CPU, and for a thread without a
   timer its CPU time. */
static void take_times(struct target *target, struct watched *watched)
{
    struct times *times = &sums_of(target->wall, watched->name)->times;
    struct task_times now;

    if (!is_askable(target) || !task_read_times(target->pid, watched->tid, &now))
        return;
    if (watched->has_times && now.queued_ns > watched->times.queued_ns)
        times_add(&times->queued_ns, now.queued_ns - watched->times.queued_ns);
    if (watched->has_times && !watched->has_timer && now.cpu_ns > watched->times.cpu_ns)
        times_add(&times->untimed_ns, now.cpu_ns - watched->times.cpu_ns);
    watched->times = now;
    watched->has_times = true;
}

static void set_unknown(struct watched *watched)
{
    watched->activity = ACTIVE_UNKNOWN;
    watched->stack = NULL;
}

/* What the kernel says of it. One that is gone spent its last moments in what it was seen in, if that is not
   known to be over. */
static void set_task(struct target *target, struct watched *watched, const struct task *task)
{
    if (task->state == TASK_BLOCKED || task->state == TASK_STOPPED) {
        set_blocked(target, watched, task);
    } else if (task->state == TASK_RUNNING) {
        watched->activity = ACTIVE_RUNNING;
        watched->stack = NULL;
        watched->has_run = true;
        take_times(target, watched);
    } else if (watched->activity == ACTIVE_WAITING) {
        set_unknown(watched);
    }
    watched->ending = task->state == TASK_GONE;
}

/* Blocked in the same, again and again, and in no hooked call since: it is asked seldom, and then for all the
   time since it was asked last. */
static bool is_left_alone(const struct wall *wall, const struct watched *watched, uint32_t sequence)
{
    return watched->activity == ACTIVE_BLOCKED && watched->sequence == sequence &&
           (int32_t)(wall->looks - watched->ask_at) < 0;
}

/* In no hooked call: the kernel knows. Who is not asked is still in what he was seen in, unless it was a
   wait, which has ended, or he has waited since. */
static void see_other(struct target *target, struct watched *watched, uint32_t sequence, bool ask,
                      int64_t now_ns)
{
    const struct wait_stack *before = watched->stack;
    enum activity was = watched->activity;
    struct task task = {.state = TASK_BLOCKED};

    if (ask && is_askable(target))
        task_read(target->pid, watched->tid, &task);
    if (ask && !target->wall->dead)
        set_task(target, watched, &task);
    else if (was == ACTIVE_WAITING || (was == ACTIVE_BLOCKED && watched->sequence != sequence))
        set_unknown(watched);
    watched->owed = !ask && !target->wall->dead && is_left_alone(target->wall, watched, sequence);
    watched->sequence = sequence;
    if (was != watched->activity || before != watched->stack)
        watched->since_ns = now_ns;
}

/* What a look left to the next one is accounted for as far as it was known: that is over, or the round is. */
static void pay(struct wall *wall, struct watched *watched)
{
    if (watched->owed && wall->last_ns > watched->until_ns) {
        credit(wall, watched, wall->last_ns - watched->until_ns, 1);
        watched->until_ns = wall->last_ns;
    }
}

static uint32_t sequence_of(struct seg_thread *thread)
{
    /* Odd: pairs with the release at the wait's beginning, kind, time and registers are this wait's. */
    return atomic_load_explicit(&thread->wait_sequence, memory_order_acquire);
}

static void watched_begin(struct watched *watched, const struct seg_thread *thread, int32_t tid,
                          uint64_t start, int64_t last_ns, int64_t now_ns)
{
    uint32_t flags = atomic_load_explicit(&thread->flags, memory_order_relaxed);
    int64_t start_ns = start < (uint64_t)now_ns ? (int64_t)start : now_ns;

    *watched = (struct watched){.tid = tid, .start = start};
    watched->until_ns = start_ns > last_ns ? start_ns : last_ns;
    /* A new one has used no CPU before; of others it is not known what was counted when. */
    watched->has_times = start >= (uint64_t)last_ns && !(flags & THREAD_ADOPTED);
}

/* Its time began to count long before this look, and nobody looked: its process has ended without one, or
   another uploader had it before. */
static bool is_unseen_so_far(const struct wall *wall, const struct watched *watched)
{
    return !watched->looks && (wall->dead || watched->start < (uint64_t)wall->since_ns);
}

/* Of such a thread only the wait that it is in is known, where it is in one. */
static int64_t share_of_last_wait(struct wall *wall, const struct watched *watched, int64_t share_ns,
                                  int64_t now_ns)
{
    const struct watched unseen = {.name = watched->name};
    int64_t wait_ns = watched->activity == ACTIVE_WAITING ? now_ns - watched->since_ns : 0;

    if (!is_unseen_so_far(wall, watched) || wait_ns >= share_ns)
        return share_ns;
    credit(wall, &unseen, share_ns - wait_ns, 0);
    return wait_ns;
}

static void account(struct wall *wall, struct watched *watched, int64_t now_ns)
{
    int64_t share_ns;

    if (watched->owed)
        return;
    share_ns = share_of_last_wait(wall, watched, now_ns - watched->until_ns, now_ns);
    watched->until_ns = now_ns;
    if (!watched->looks++)
        watched->credited_ns = share_ns;
    credit(wall, watched, share_ns, 1);
}

static void look_at(struct target *target, uint32_t slot, bool ask, int64_t now_ns)
{
    struct wall *wall = target->wall;
    struct seg_thread *thread = &target->segment->thread[slot];
    struct watched *watched = &wall->watched[slot];
    /* Pairs with the release of the slot's hand-out: start and handle are the new thread's. */
    int32_t tid = atomic_load_explicit(&thread->tid, memory_order_acquire);
    uint64_t start = thread->start_monotonic_ns;
    uint32_t sequence;

    if (watched->tid && (watched->tid != tid || watched->start != start)) {
        pay(wall, watched);
        watched_end(wall, watched, now_ns - wall->last_ns);
    }
    if (tid <= 0)
        return;
    if (!watched->tid)
        watched_begin(watched, thread, tid, start, wall->last_ns, now_ns);
    watched->look = wall->looks;
    watched->has_timer = atomic_load_explicit(&thread->flags, memory_order_relaxed) & THREAD_HAS_TIMER;
    sequence = sequence_of(thread);
    if (sequence != watched->sequence)
        pay(wall, watched);
    watched->name = atomic_load_explicit(&thread->name, memory_order_relaxed) % LAYOUT_NAMES;
    if (sequence & 1)
        see_waiting(target, thread, watched, sequence, now_ns);
    else
        see_other(target, watched, sequence, ask, now_ns);
    account(wall, watched, now_ns);
}

static bool make_room(struct wall *wall, uint32_t slots)
{
    uint32_t room = slots + slots / 2 + 16;
    struct watched *grown;

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
static enum need need_of(const struct target *target, uint32_t slot)
{
    struct seg_thread *thread = &target->segment->thread[slot];
    const struct watched *watched = &target->wall->watched[slot];
    int32_t tid = atomic_load_explicit(&thread->tid, memory_order_relaxed);

    if (tid <= 0 || sequence_of(thread) & 1)
        return NEED_NONE;
    if (watched->tid != tid || watched->activity == ACTIVE_UNKNOWN || watched->activity == ACTIVE_WAITING)
        return NEED_FIRST;
    return is_left_alone(target->wall, watched, sequence_of(thread)) ? NEED_NONE : NEED_LATER;
}

/* Looks at those whose need is this, so many of them with a question; the others at the last call. */
static void look_at_those(struct target *target, uint32_t slots, enum need need, bool is_last, int64_t now_ns)
{
    struct wall *wall = target->wall;
    unsigned *questions = &wall->budget->questions;
    /* Elsewhere each time: whoever comes last may be left over. */
    uint32_t first = slots ? wall->looks * UINT32_C(0x9e3779b1) % slots : 0;

    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot = 1 + (first + i) % slots;
        struct watched *watched = &wall->watched[slot];
        bool ask;
        if ((watched->tid && watched->look == wall->looks) || (need_of(target, slot) != need && !is_last))
            continue;
        ask = *questions && need_of(target, slot) != NEED_NONE;
        if (!ask && !is_last)
            continue;
        *questions -= ask;
        look_at(target, slot, ask, now_ns);
    }
}

void wall_set_strays(struct target *target, const int *tid, uint32_t count)
{
    struct wall *wall = target->wall;
    struct watched stray[LAYOUT_ADOPT] = {0};

    count = count < LAYOUT_ADOPT ? count : LAYOUT_ADOPT;
    for (uint32_t i = 0; i < count; i++) {
        /* Since when it is there nobody knows: it counts from here. */
        stray[i] = (struct watched){.tid = tid[i], .until_ns = wall->last_ns, .since_ns = wall->last_ns};
        for (uint32_t n = 0; n < wall->strays; n++) {
            if (wall->stray[n].tid == tid[i]) {
                stray[i] = wall->stray[n];
                wall->stray[n].tid = 0;
            }
        }
    }
    for (uint32_t n = 0; n < wall->strays; n++)
        if (wall->stray[n].tid)
            pay(wall, &wall->stray[n]);
    memcpy(wall->stray, stray, count * sizeof stray[0]);
    wall->strays = count;
}

static bool has_slot(const struct wall *wall, int32_t tid)
{
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid == tid)
            return true;
    return false;
}

static void look_at_strays(struct target *target, int64_t now_ns)
{
    struct wall *wall = target->wall;

    for (uint32_t i = 0; i < wall->strays; i++) {
        struct watched *stray = &wall->stray[i];
        bool ask = wall->budget->questions && !is_left_alone(wall, stray, 0);
        if (stray->tid && has_slot(wall, stray->tid)) { /* by now: its slot accounts for it */
            pay(wall, stray);
            stray->tid = 0;
        }
        if (!stray->tid)
            continue;
        wall->budget->questions -= ask;
        see_other(target, stray, 0, ask, now_ns);
        if (stray->ending)
            stray->tid = 0;
        else
            account(wall, stray, now_ns);
    }
}

/* Something is recorded from now on, or not any more: what was until now is accounted for as it was, and time
   that nobody looked at is nobody's. */
static void take_profiles(struct target *target, uint32_t profiles, int64_t now_ns)
{
    struct wall *wall = target->wall;

    target_drain_times(target);
    if (!(wall->profiles & wall_profile_bits) || !(profiles & wall_profile_bits)) {
        if (wall->room)
            memset(wall->watched, 0, wall->room * sizeof *wall->watched);
        wall->strays = 0;
        wall->last_ns = now_ns;
    }
    wall->profiles = profiles;
}

/* Threads that are in new waits, probably where they were the last time. */
struct revisits {
    struct watched *watched[UNWIND_COPIES];
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
                         struct watched *watched)
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
static void revisit(struct target *target, uint32_t slots)
{
    struct wall *wall = target->wall;
    struct revisits revisits;

    revisits.count = 0;
    if (wall->unreadable || wall->dead || !target->pid)
        return;
    check_modules(target);
    for (uint32_t slot = 1; slot <= slots; slot++) {
        struct seg_thread *thread = &target->segment->thread[slot];
        struct watched *watched = &wall->watched[slot];
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

static void look(struct target *target, struct budget *budget, int64_t now_ns)
{
    struct wall *wall = target->wall;
    uint32_t slots = target_used_slots(target), profiles = segment_profiles(target);

    if (now_ns <= wall->last_ns)
        return;
    if (profiles != wall->profiles)
        take_profiles(target, profiles, now_ns);
    if (!(profiles & wall_profile_bits))
        wall->last_ns = now_ns;
    if (now_ns == wall->last_ns || !make_room(wall, slots))
        return;
    wall->looks++;
    wall->budget = budget;
    unwinder_look(wall->unwinder);
    revisit(target, slots);
    look_at_those(target, slots, NEED_FIRST, false, now_ns);
    look_at_those(target, slots, NEED_LATER, true, now_ns);
    look_at_strays(target, now_ns);
    wall->last_ns = now_ns;
}

static struct budget budget_of_a_look(void)
{
    return (struct budget){TASKS_PER_LOOK, WALKS_PER_LOOK, monotonic_ns() + LATE_NS};
}

void wall_look(struct target *target, int64_t now_ns)
{
    struct budget budget = budget_of_a_look();
    look(target, &budget, now_ns);
}

void wall_look_all(struct target *const *target, size_t targets, size_t first)
{
    struct budget budget = budget_of_a_look();

    for (size_t i = 0; i < targets; i++)
        look(target[(first + i) % targets], &budget, monotonic_ns());
}

void wall_end(struct target *target, int64_t ended_ns)
{
    target->wall->dead = true;
    wall_look(target, ended_ns);
}

static void keep_newest(struct sums *sums, const struct stack *stack, int64_t ns)
{
    size_t size = sizeof *stack + stack->frames * sizeof stack->frame[0];
    struct stack *copy;

    if (ns < sums->newest_ns || !(copy = malloc(size)))
        return;
    memcpy(copy, stack, size);
    free(sums->newest);
    sums->newest = copy;
    sums->newest_ns = ns;
}

void wall_cpu(struct target *target, uint32_t name, const struct stack *stack, int64_t ns)
{
    struct sums *sums = sums_of(target->wall, name);

    times_add(&sums->times.cpu_ns, ns);
    keep_newest(sums, stack, ns);
}

void wall_cpu_before(struct target *target, uint32_t name, int64_t ns)
{
    times_add(&sums_of(target->wall, name)->before_ns, ns);
}

/* Bounded: it is in memory that the target can write. */
static int64_t cpu_period(const struct target *target)
{
    return atomic_load_explicit(&target->segment->control.cpu_period_ns, memory_order_relaxed) % SECOND_NS;
}

/* Both profiles, or what of them is recorded. */
static void add_time_in(struct target *target, unsigned parts, const struct stack *stack, uint32_t name,
                        int64_t looks, int64_t ns, bool off_cpu)
{
    const int64_t value[PROFILE_VALUES] = {looks, ns};
    const char *thread = target_thread_name(target, name);
    uint32_t profiles = target->wall->profiles;

    if (!stack || (!looks && !ns))
        return;
    if (profiles >> PROFILE_WALL & 1)
        program_add(target->programs, target->program, parts, KIND_ID_WALL, stack, target->pid, thread,
                    value);
    if (off_cpu && profiles >> PROFILE_OFF_CPU & 1)
        program_add(target->programs, target->program, parts, KIND_ID_OFF_CPU, stack, target->pid, thread,
                    value);
}

static void add_time(struct target *target, const struct stack *stack, uint32_t name, int64_t looks,
                     int64_t ns, bool off_cpu)
{
    add_time_in(target, PROGRAM_MERGED | PROGRAM_INTERVAL, stack, name, looks, ns, off_cpu);
}

static const struct stack *special_stack(struct target *target, const char *text)
{
    const char *leaf = symbols_intern(target->programs->symbols, text);
    struct wait_stack *stack = leaf ? waits_intern(target->wall->waits, leaf, NULL) : NULL;
    return stack ? waits_name(target->wall->waits, stack) : NULL;
}

/* What the threads that were there have lived before since_ns and was not CPU time. Nobody knows any more
   what it was, but without it the session's profile would be of CPU time alone as far as it goes back. */
static void settle_before(struct target *target)
{
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++) {
        struct sums *sums = &target->wall->sums[i];
        if (sums->lived_ns > sums->before_ns)
            add_time_in(target, PROGRAM_MERGED, special_stack(target, "[seen by an earlier uploader]"), i, 0,
                        sums->lived_ns - sums->before_ns, true);
        if (sums->lived_ns || sums->before_ns)
            sums->lived_ns = sums->before_ns = 0;
    }
}

/* Lived so briefly that its own times say little: they are put together with those of its like. */
static bool is_brief(const struct target *target)
{
    int64_t start_ns = (int64_t)(target->segment->header.start_monotonic_ns & INT64_MAX);
    return target->wall->dead && target->wall->last_ns - start_ns < BRIEF_NS;
}

/* Hands on what is in no wait, and returns how much of what the looks saw as blocked was. */
static double settle(struct target *target, uint32_t name)
{
    const struct times *times = &target->wall->sums[name].times;
    uint32_t profiles = target->wall->profiles;
    struct times_settled settled;

    if (is_brief(target)) {
        brief_add_times(&target->program->brief, target_thread_name(target, name), times, profiles,
                        cpu_period(target));
        return 1;
    }
    times_settle(times, profiles >> PROFILE_CPU & 1, cpu_period(target), &settled);
    add_time(target, special_stack(target, "[running]"), name,
             profiles >> PROFILE_CPU & 1 ? 0 : times->running_looks, settled.running_ns, false);
    add_time(target, special_stack(target, "[waiting for a CPU]"), name, 0, settled.queued_ns, true);
    add_time(target, special_stack(target, "[not looked at]"), name, 0, settled.unseen_ns, true);
    return settled.scale;
}

static void settle_wait(struct target *target, struct wait_stack *wait, uint32_t name,
                        const struct pending *pending, double scale)
{
    const struct stack *stack = waits_name(target->wall->waits, wait);

    if (!stack || (!pending->ns && !pending->looks))
        return;
    if (is_brief(target))
        brief_add_wait(&target->program->brief, stack, target->pid, target_thread_name(target, name),
                       pending->looks, pending->ns);
    else
        add_time(target, stack, name, pending->looks, (int64_t)((double)pending->ns * scale), true);
}

/* CPU time beyond the time there was is of samples that came late: it counts in the next round. More than a
   few samples of each thread is no such thing. */
static void sums_reset(struct sums *sums, int64_t most_ns)
{
    int64_t over_ns = sums->times.cpu_ns - times_total(&sums->times);
    struct stack *newest = sums->newest;

    if (!times_total(&sums->times) && !sums->times.cpu_ns) /* its page stays unused */
        return;
    *sums = (struct sums){.times.cpu_ns = over_ns <= 0        ? 0
                                          : over_ns < most_ns ? over_ns
                                                              : most_ns,
                          .newest = newest};
}

static void reset_all(struct target *target)
{
    struct wall *wall = target->wall;
    int64_t threads[LAYOUT_NAMES] = {0};

    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid)
            threads[wall->watched[i].name % LAYOUT_NAMES]++;
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++)
        sums_reset(&wall->sums[i], LATE_SAMPLES * (threads[i] + 1) * cpu_period(target));
}

static void take_times_of_round(struct target *target, struct watched *watched)
{
    pay(target->wall, watched);
    if (watched->tid && (watched->has_run || !watched->has_timer))
        take_times(target, watched);
    watched->has_run = watched->activity == ACTIVE_RUNNING;
}

static void take_all_times(struct target *target)
{
    struct wall *wall = target->wall;

    for (uint32_t i = 0; i < wall->room; i++)
        take_times_of_round(target, &wall->watched[i]);
    for (uint32_t i = 0; i < wall->strays; i++)
        take_times_of_round(target, &wall->stray[i]);
}

void wall_drain(struct target *target)
{
    struct wall *wall = target->wall;
    double scale[LAYOUT_NAMES];

    if (target->resumed)
        settle_before(target);
    take_all_times(target);
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++)
        scale[i] = times_total(&wall->sums[i].times) || wall->sums[i].times.cpu_ns ? settle(target, i) : 1;
    for (uint32_t n = 0; n < wall->keys.used; n++) {
        uint32_t name = (uint32_t)wall->keys.key[2 * n + 1];
        settle_wait(target, (struct wait_stack *)(uintptr_t)wall->keys.key[2 * n], name, &wall->pending[n],
                    scale[name]);
    }
    if (wall->keys.used)
        memset(wall->pending, 0, wall->keys.used * sizeof *wall->pending);
    map_free(&wall->keys);
    wall->keys = (struct map){.words = 2};
    reset_all(target);
    wall->unreadable = false;
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].stack)
            waits_use(wall->watched[i].stack);
    for (uint32_t i = 0; i < wall->strays; i++)
        if (wall->stray[i].stack)
            waits_use(wall->stray[i].stack);
    waits_sweep(wall->waits);
}

int64_t wall_until(const struct wall *wall)
{
    return wall->last_ns;
}

/* What a running thread was last seen doing by the CPU profile: known where no other of its name runs. */
static const struct stack *running_stack(struct target *target, const struct watched *watched)
{
    const struct sums *sums = sums_of(target->wall, watched->name);

    if (watched->activity == ACTIVE_UNKNOWN)
        return special_stack(target, target->wall->dead ? "[ended]" : "[not looked at]");
    if (sums->newest && sums->running == 1)
        return sums->newest;
    return special_stack(target, "[running]");
}

static const struct watched *thread_of(const struct target *target, int32_t tid, uint64_t handle)
{
    const struct wall *wall = target->wall;

    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid &&
            (tid ? wall->watched[i].tid == tid : handle && target->segment->thread[i].handle == handle))
            return &wall->watched[i];
    return NULL;
}

/* The thread that this one waits for: it holds the lock, or is to be joined. */
static void add_holder(struct target *target, struct watched *watched, struct profile_thread *about)
{
    const struct watched *holder;

    ask_holder(target, &target->segment->thread[watched - target->wall->watched], watched);
    holder = thread_of(target, watched->holder,
                       wait_functions[watched->kind].who == WAIT_FOR_THREAD ? watched->object : 0);
    about->holder = holder ? (uint32_t)holder->tid : (uint32_t)watched->holder;
    if (holder)
        about->holder_name = target_thread_name(target, holder->name);
}

static void drain_thread(struct target *target, struct watched *watched)
{
    const struct wait_function *wait = &wait_functions[watched->kind];
    struct profile_sample sample = {
        .pid = (uint32_t)target->pid,
        .thread = target_thread_name(target, watched->name),
        .about = {.tid = (uint32_t)watched->tid,
                  .state = "running",
                  .wait = "",
                  .waited_ns = target->wall->last_ns - watched->since_ns},
        .value = {1},
    };
    const struct stack *stack =
        watched->stack ? waits_name(target->wall->waits, watched->stack) : running_stack(target, watched);

    if (!stack)
        return;
    if (watched->ending || (target->wall->dead && watched->activity == ACTIVE_UNKNOWN)) {
        sample.about.state = "ending";
    } else if (watched->activity == ACTIVE_UNKNOWN) {
        sample.about.state = "unknown";
    } else if (watched->activity == ACTIVE_WAITING) {
        sample.about.state = wait->state;
        sample.about.wait = wait->function;
        add_holder(target, watched, &sample.about);
    } else if (watched->stack) {
        sample.about.state = "blocked";
        sample.about.wait = watched->what;
    }
    sample.frame = stack->frame;
    sample.frames = stack->frames;
    program_add_thread(target->programs, target->program, &sample);
}

void wall_drain_threads(struct target *target)
{
    struct wall *wall = target->wall;

    for (int i = 0; i < LAYOUT_NAMES; i++)
        wall->sums[i].running = 0;
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid && wall->watched[i].activity == ACTIVE_RUNNING)
            sums_of(wall, wall->watched[i].name)->running++;
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid)
            drain_thread(target, &wall->watched[i]);
    for (uint32_t i = 0; i < wall->strays; i++)
        if (wall->stray[i].tid)
            drain_thread(target, &wall->stray[i]);
}

void wall_resume(struct wall *wall, const struct wall *old)
{
    wall->since_ns = wall->last_ns = old->last_ns;
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++)
        if (old->sums[i].times.cpu_ns)
            wall->sums[i].times.cpu_ns = old->sums[i].times.cpu_ns;
}
