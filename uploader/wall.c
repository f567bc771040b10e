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
#include "waits.h"

enum {
    COPY_FIRST = 4096,   /* of a stack, at once: most waits are not deeper */
    COPY_MOST = 65536,   /* to see whether a known stack is still there */
    TASKS_PER_LOOK = 64, /* threads whose state the kernel is asked for; the others keep the one they had */
};

struct wait_function {
    const char *state, *function;
};
#define X(id, state, function) {state, function},
static const struct wait_function wait_functions[WAITS] = {{"blocked", "[blocked]"}, LAYOUT_WAITS(X)};
#undef X

enum activity { ACTIVE_NEVER_SEEN, ACTIVE_WAITING, ACTIVE_BLOCKED, ACTIVE_RUNNING };

/* What we remember of a slot from look to look. */
struct watched {
    int32_t tid; /* 0: nobody */
    uint32_t name, sequence, looks;
    uint32_t kind;   /* enum wait_kind, while waiting */
    uint64_t object; /* seg_thread.wait_object, likewise */
    int32_t holder;  /* tid of the thread that had the lock when it was last asked; 0: not known */
    enum activity activity;
    bool ending; /* its task is gone, its slot is not */
    uint64_t start;
    int64_t since_ns;         /* in this activity */
    int64_t credited_ns;      /* at its first look */
    struct wait_stack *stack; /* NULL: running */
    const char *what;         /* interned; blocked in this */
};

/* Sums over the threads of one name since the last round. */
struct sums {
    int64_t total_ns, running_ns, running_looks, cpu_ns;
    int64_t before_ns;    /* CPU time of before since_ns */
    int64_t blocked_ns;   /* all of its entries in pending */
    struct stack *newest; /* copy of the stack with the most CPU time */
    int64_t newest_ns;
    uint32_t running; /* threads, at the last look */
};

struct pending {
    int64_t ns, looks;
};

struct wall {
    struct waits *waits;
    struct unwinder *unwinder;
    struct unwound unwound;
    struct watched *watched;
    uint32_t room, asked;    /* asked: slot whose state was asked for last */
    struct map keys;         /* stack, thread name; to */
    struct pending *pending; /* what was seen, by number - 1 */
    size_t pending_room;
    int64_t since_ns, last_ns; /* the first and the last instant that is accounted for */
    bool unreadable;           /* its memory is not shown to us */
    uint32_t epoch, modules;   /* of the segment, when the mappings were read */
    const char *leaf[WAITS];   /* interned */
    struct sums sums[LAYOUT_NAMES];
};

struct wall *wall_new(struct target *target, int64_t since_ns)
{
    struct symbols *symbols = target->programs->symbols;
    struct wall *wall = calloc(1, sizeof *wall);

    if (!wall)
        return NULL;
    wall->keys.words = 2;
    wall->since_ns = wall->last_ns = since_ns;
    for (int i = 0; i < WAITS; i++)
        wall->leaf[i] = symbols_intern(symbols, wait_functions[i].function);
    wall->waits = waits_new(symbols, &target->source);
    wall->unwinder = unwinder_new(target->pid, &target->source, symbols);
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

bool wall_wanted(const struct target *target)
{
    const uint32_t any = 1u << PROFILE_WALL | 1u << PROFILE_OFF_CPU | 1u << PROFILE_THREADS;
    return atomic_load_explicit(&target->segment->control.profiles, memory_order_relaxed) & any;
}

static struct sums *sums_of(struct wall *wall, uint32_t name)
{
    return &wall->sums[name < LAYOUT_NAMES ? name : 0];
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

/* Some of the times come from memory that the target can write: sums stop at the end of their range. */
static void add_time_to(int64_t *sum, int64_t ns)
{
    if (__builtin_add_overflow(*sum, ns, sum))
        *sum = INT64_MAX;
}

/* Gives a thread that much time in what it was last seen in. */
static void credit(struct wall *wall, const struct watched *watched, int64_t ns, int64_t looks)
{
    struct sums *sums = sums_of(wall, watched->name);
    struct pending *pending = watched->stack ? pending_of(wall, watched->stack, watched->name) : NULL;

    sums->total_ns += ns;
    if (pending) {
        pending->ns += ns;
        pending->looks += looks;
        sums->blocked_ns += ns;
    } else {
        sums->running_ns += ns;
        sums->running_looks += looks;
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
    log_info(
        "%s[%d]: stacks of waiting threads cannot be read (%s): the functions they wait in are shown alone",
        target->program->name, (int)target->pid, strerror(-error));
}

/* Libraries that came or went are seen by the target's own list, as far as samples were taken in them. */
static void check_modules(struct target *target)
{
    struct seg_header *header = &target->segment->header;
    uint32_t epoch = atomic_load_explicit(&header->epoch, memory_order_relaxed),
             modules = atomic_load_explicit(&header->modules, memory_order_relaxed);

    if (epoch == target->wall->epoch && modules == target->wall->modules)
        return;
    target->wall->epoch = epoch;
    target->wall->modules = modules;
    unwinder_refresh(target->wall->unwinder);
}

/* The stack of a thread that is in this wait, or the name of what it waits in alone. */
static struct wait_stack *unwind_wait(struct target *target, struct seg_thread *thread, uint32_t sequence,
                                      uint32_t kind, struct wait_stack *last)
{
    struct wall *wall = target->wall;
    uint64_t regs[LAYOUT_REGS];
    int rc;

    memcpy(regs, thread->wait_regs, sizeof regs);
    if (wall->unreadable || !target->pid || moved_on(thread, sequence))
        return waits_intern(wall->waits, wall->leaf[kind], NULL);
    rc = unwinder_copy(wall->unwinder, regs, copy_size(last));
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
    check_modules(target);
    unwinder_walk(wall->unwinder, regs, &wall->unwound);
    if (wall->unwound.reread && moved_on(thread, sequence))
        return waits_intern(wall->waits, wall->leaf[kind], NULL);
    return waits_intern(wall->waits, wall->leaf[kind], &wall->unwound);
}

/* Who has the lock that this thread waits for, where it still does: the C library keeps it at the same place
   for all kinds and versions. Once the process is gone, what was seen last stays. */
static void ask_holder(struct target *target, struct seg_thread *thread, struct watched *watched)
{
    bool is_mutex = watched->kind == WAIT_MUTEX;
    size_t offset = is_mutex ? offsetof(pthread_mutex_t, __data.__owner)
                             : offsetof(pthread_rwlock_t, __data.__cur_writer);
    int32_t holder;

    if (!is_mutex && watched->kind != WAIT_READ_LOCK && watched->kind != WAIT_WRITE_LOCK)
        return;
    if (watched->object && !target->wall->unreadable &&
        unwinder_read(target->wall->unwinder, watched->object + offset, &holder, sizeof holder) &&
        !moved_on(thread, watched->sequence))
        watched->holder = holder > 0 ? holder : 0;
}

static void see_waiting(struct target *target, struct seg_thread *thread, struct watched *watched,
                        uint32_t sequence, int64_t now_ns)
{
    uint32_t kind = thread->wait_kind;
    int64_t since_ns = target_time_of_ticks(target, thread->wait_since_ticks, now_ns);

    watched->ending = false;
    if (watched->activity == ACTIVE_WAITING && watched->sequence == sequence && watched->stack)
        return;
    watched->kind = kind < WAITS ? kind : WAIT_NONE;
    watched->object = thread->wait_object;
    watched->holder = 0;
    watched->stack = unwind_wait(target, thread, sequence, watched->kind, watched->stack);
    watched->activity = ACTIVE_WAITING;
    watched->sequence = sequence;
    watched->since_ns = since_ns <= now_ns ? since_ns : now_ns;
    ask_holder(target, thread, watched);
}

static void set_blocked(struct target *target, struct watched *watched, const struct task *task)
{
    char text[64];
    const char *leaf;

    snprintf(text, sizeof text, "[%s%s%s]", task->state == TASK_STOPPED ? "stopped" : "blocked",
             *task->what ? ": " : "", task->what);
    leaf = symbols_intern(target->programs->symbols, text);
    watched->what = symbols_intern(target->programs->symbols, task->what);
    watched->activity = ACTIVE_BLOCKED;
    watched->stack = leaf ? waits_intern(target->wall->waits, leaf, NULL) : NULL;
}

/* In no hooked call: the kernel knows. One that is gone spent its last moments in what it was seen in. */
static void see_other(struct target *target, struct watched *watched, bool may_ask, int64_t now_ns)
{
    const struct wait_stack *before = watched->stack;
    enum activity was = watched->activity;
    struct task task = {.state = TASK_GONE};

    if (target->segment->header.pid != target->pid) /* another pid namespace: its ids are not ours */
        task.state = TASK_BLOCKED;
    else if (may_ask)
        task_read(target->pid, watched->tid, &task);
    if (task.state == TASK_BLOCKED || task.state == TASK_STOPPED) {
        set_blocked(target, watched, &task);
    } else if (task.state == TASK_RUNNING || was == ACTIVE_NEVER_SEEN) {
        watched->activity = ACTIVE_RUNNING;
        watched->stack = NULL;
    }
    watched->ending = may_ask && task.state == TASK_GONE;
    if (was != watched->activity || before != watched->stack)
        watched->since_ns = now_ns;
}

/* Time of one thread since the last look, or since it began. */
static int64_t share_of(const struct watched *watched, int64_t last_ns, int64_t now_ns)
{
    int64_t start_ns = watched->start < (uint64_t)now_ns ? (int64_t)watched->start : now_ns;
    return now_ns - (!watched->looks && start_ns > last_ns ? start_ns : last_ns);
}

static bool look_at(struct target *target, uint32_t slot, bool may_ask, int64_t now_ns)
{
    struct wall *wall = target->wall;
    struct seg_thread *thread = &target->segment->thread[slot];
    struct watched *watched = &wall->watched[slot];
    /* Pairs with the release of the slot's hand-out: start and handle are the new thread's. */
    int32_t tid = atomic_load_explicit(&thread->tid, memory_order_acquire);
    uint64_t start = thread->start_monotonic_ns;
    uint32_t sequence;
    int64_t share_ns;

    if (watched->tid && (watched->tid != tid || watched->start != start))
        watched_end(wall, watched, now_ns - wall->last_ns);
    if (tid <= 0)
        return false;
    if (!watched->tid)
        *watched = (struct watched){.tid = tid, .start = start};
    share_ns = share_of(watched, wall->last_ns, now_ns);
    watched->name = atomic_load_explicit(&thread->name, memory_order_relaxed) % LAYOUT_NAMES;
    /* Odd: pairs with the release at the wait's beginning, kind, time and registers are this wait's. */
    sequence = atomic_load_explicit(&thread->wait_sequence, memory_order_acquire);
    if (sequence & 1)
        see_waiting(target, thread, watched, sequence, now_ns);
    else
        see_other(target, watched, may_ask, now_ns);
    if (!watched->looks++)
        watched->credited_ns = share_ns;
    credit(wall, watched, share_ns, 1);
    return !(sequence & 1);
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

void wall_look(struct target *target, int64_t now_ns)
{
    struct wall *wall = target->wall;
    uint32_t slots = target_used_slots(target), asked = 0, first;

    if (!wall_wanted(target) || now_ns <= wall->last_ns || !make_room(wall, slots))
        return;
    first = slots ? wall->asked % slots : 0;
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot = 1 + (first + i) % slots;
        bool may_ask = asked < TASKS_PER_LOOK;
        if (look_at(target, slot, may_ask, now_ns) && may_ask && ++asked == TASKS_PER_LOOK)
            wall->asked = slot;
    }
    wall->last_ns = now_ns;
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

    add_time_to(&sums->cpu_ns, ns);
    keep_newest(sums, stack, ns);
}

void wall_cpu_before(struct target *target, uint32_t name, int64_t ns)
{
    add_time_to(&sums_of(target->wall, name)->before_ns, ns);
}

static uint32_t profiles_of(const struct target *target)
{
    return atomic_load_explicit(&target->segment->control.profiles, memory_order_relaxed);
}

/* Both profiles, or what of them is recorded. */
static void add_time_in(struct target *target, unsigned parts, const struct stack *stack, uint32_t name,
                        int64_t looks, int64_t ns, bool off_cpu)
{
    const int64_t value[PROFILE_VALUES] = {looks, ns};
    const char *thread = target_thread_name(target, name);
    uint32_t profiles = profiles_of(target);

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

/* What the threads that live have lived before since_ns and was not CPU time. Nobody knows any more what it
   was, but without it the session's profile would be of CPU time alone as far as it goes back. */
static void settle_before(struct target *target)
{
    struct wall *wall = target->wall;
    int64_t lived_ns[LAYOUT_NAMES] = {0};
    uint32_t slots = target_used_slots(target);

    for (uint32_t i = 1; i <= slots; i++) {
        struct seg_thread *thread = &target->segment->thread[i];
        uint32_t name = atomic_load_explicit(&thread->name, memory_order_relaxed) % LAYOUT_NAMES;
        if (atomic_load_explicit(&thread->tid, memory_order_acquire) > 0 &&
            thread->start_monotonic_ns < (uint64_t)wall->since_ns)
            add_time_to(&lived_ns[name], wall->since_ns - (int64_t)thread->start_monotonic_ns);
    }
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++) {
        if (lived_ns[i] > wall->sums[i].before_ns)
            add_time_in(target, PROGRAM_MERGED, special_stack(target, "[seen by an earlier uploader]"), i, 0,
                        lived_ns[i] - wall->sums[i].before_ns, true);
        wall->sums[i].before_ns = 0;
    }
}

/* How much of a name's time was blocked, of what the looks saw as blocked: 1, unless the CPU profile counted
   more CPU time than the looks have seen running. What they saw running and it did not count was spent
   waiting for a CPU; where CPU time is not recorded, running. */
static double settle(struct target *target, uint32_t name)
{
    struct sums *sums = &target->wall->sums[name];
    int64_t idle_ns = sums->running_ns - sums->cpu_ns, blocked_ns = sums->total_ns - sums->cpu_ns;

    if (!(profiles_of(target) >> PROFILE_CPU & 1))
        add_time(target, special_stack(target, "[running]"), name, sums->running_looks, sums->running_ns,
                 false);
    else if (idle_ns > 0)
        add_time(target, special_stack(target, "[waiting for a CPU]"), name, 0, idle_ns, true);
    if (idle_ns >= 0 || !sums->blocked_ns)
        return 1;
    return blocked_ns > 0 ? (double)blocked_ns / (double)sums->blocked_ns : 0;
}

/* CPU time beyond the time there was is a sample that came late: it counts in the next round. */
static void sums_reset(struct sums *sums)
{
    int64_t over_ns = sums->cpu_ns - sums->total_ns;
    struct stack *newest = sums->newest;

    if (!sums->total_ns && !sums->cpu_ns) /* its page stays unused */
        return;
    *sums = (struct sums){.cpu_ns = over_ns > 0 ? over_ns : 0, .newest = newest};
}

void wall_drain(struct target *target)
{
    struct wall *wall = target->wall;
    double scale[LAYOUT_NAMES];

    if (target->resumed)
        settle_before(target);
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++)
        scale[i] = wall->sums[i].total_ns || wall->sums[i].cpu_ns ? settle(target, i) : 1;
    for (uint32_t n = 0; n < wall->keys.used; n++) {
        struct wait_stack *stack = (struct wait_stack *)(uintptr_t)wall->keys.key[2 * n];
        uint32_t name = (uint32_t)wall->keys.key[2 * n + 1];
        add_time(target, waits_name(wall->waits, stack), name, wall->pending[n].looks,
                 (int64_t)((double)wall->pending[n].ns * scale[name]), true);
    }
    if (wall->keys.used)
        memset(wall->pending, 0, wall->keys.used * sizeof *wall->pending);
    map_free(&wall->keys);
    wall->keys = (struct map){.words = 2};
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++)
        sums_reset(&wall->sums[i]);
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].stack)
            waits_use(wall->watched[i].stack);
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
    holder = thread_of(target, watched->holder, watched->kind == WAIT_JOIN ? watched->object : 0);
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
    if (watched->ending) {
        sample.about.state = "ending";
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
        if (wall->watched[i].tid && !wall->watched[i].stack)
            sums_of(wall, wall->watched[i].name)->running++;
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid)
            drain_thread(target, &wall->watched[i]);
}

void wall_resume(struct wall *wall, const struct wall *old)
{
    wall->since_ns = wall->last_ns = old->last_ns;
    for (uint32_t i = 0; i < LAYOUT_NAMES; i++)
        if (old->sums[i].cpu_ns)
            wall->sums[i].cpu_ns = old->sums[i].cpu_ns;
}
