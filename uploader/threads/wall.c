/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "uploader/base/clock.h"
#include "wall_state.h"

enum { LATE_SAMPLES = 4 }; /* of one thread, that may come in the round after their time */
#define BRIEF_NS SECOND_NS

#define X(function, state, who) {state, #function, WAIT_FOR_##who},
const struct wait_function wall_functions[WAITS] = {{"blocked", "[blocked]", WAIT_FOR_NOBODY},
                                                    LAYOUT_WAITS(X)};
#undef X

static void note_lived_before(struct target *target, struct wall *wall)
{
    uint32_t slots = target_used_slots(target);

    for (uint32_t i = 1; i <= slots; i++) {
        struct seg_thread *thread = &target->segment->thread[i];
        uint32_t name = atomic_load_explicit(&thread->name, memory_order_relaxed);
        if (atomic_load_explicit(&thread->tid, memory_order_acquire) > 0 &&
            target_time(target, thread->start_monotonic_ns) < wall->since_ns)
            times_add(&sums_of(wall, name)->lived_ns,
                      wall->since_ns - target_time(target, thread->start_monotonic_ns));
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
        wall->leaf[i] = symbols_intern(symbols, wall_functions[i].function);
    wall->stopped = symbols_intern(symbols, "[stopped]");
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
    for (int i = 0; i < TARGET_NAMES; i++)
        free(wall->sums[i].newest);
    waits_free(wall->waits);
    unwinder_free(wall->unwinder);
    map_free(&wall->keys);
    free(wall->pending);
    free(wall->watched);
    free(wall);
}

uint32_t wall_segment_profiles(const struct target *target)
{
    return atomic_load_explicit(&target->segment->control.profiles, memory_order_relaxed);
}

bool wall_wanted(const struct target *target)
{
    return wall_segment_profiles(target) & wall_profile_bits;
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
void wall_credit(struct wall *wall, const struct watched *watched, int64_t ns, int64_t looks)
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
void wall_end_watched(struct wall *wall, struct watched *watched, int64_t elapsed_ns)
{
    if (watched->gone) /* it had before */
        ;
    else if (watched->looks == 1 && watched->credited_ns < elapsed_ns)
        wall_credit(wall, watched, elapsed_ns - watched->credited_ns, 0);
    else
        wall_credit(wall, watched, elapsed_ns / 2, 0);
    *watched = (struct watched){0};
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

const struct stack *wall_special_stack(struct target *target, const char *text)
{
    const char *leaf = symbols_intern(target->programs->symbols, text);
    struct wait_stack *stack = leaf ? waits_intern(target->wall->waits, leaf, NULL) : NULL;
    return stack ? waits_name(target->wall->waits, stack) : NULL;
}

/* What the threads that were there have lived before since_ns and was not CPU time. Nobody knows any more
   what it was, but without it the session's profile would be of CPU time alone as far as it goes back. */
static void settle_before(struct target *target)
{
    for (uint32_t i = 0; i < TARGET_NAMES; i++) {
        struct sums *sums = &target->wall->sums[i];
        if (sums->lived_ns > sums->before_ns)
            add_time_in(target, PROGRAM_MERGED, wall_special_stack(target, "[seen by an earlier uploader]"),
                        i, 0, sums->lived_ns - sums->before_ns, true);
        if (sums->lived_ns || sums->before_ns)
            sums->lived_ns = sums->before_ns = 0;
    }
}

/* Lived so briefly that its own times say little: they are put together with those of its like. */
static bool is_brief(const struct target *target)
{
    int64_t start_ns = target_time(target, target->segment->header.start_monotonic_ns);
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
    add_time(target, wall_special_stack(target, "[running]"), name,
             profiles >> PROFILE_CPU & 1 ? 0 : times->running_looks, settled.running_ns, false);
    add_time(target, wall_special_stack(target, "[waiting for a CPU]"), name, 0, settled.queued_ns, true);
    add_time(target, wall_special_stack(target, "[not looked at]"), name, 0, settled.unseen_ns, true);
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
    int64_t threads[TARGET_NAMES] = {0};

    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid)
            threads[wall->watched[i].name % TARGET_NAMES]++;
    for (uint32_t i = 0; i < TARGET_NAMES; i++)
        sums_reset(&wall->sums[i], LATE_SAMPLES * (threads[i] + 1) * cpu_period(target));
}

static void take_times_of_round(struct target *target, struct watched *watched)
{
    wall_pay(target->wall, watched);
    if (watched->tid && (watched->has_run || !watched->has_timer))
        wall_take_times(target, watched);
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
    double scale[TARGET_NAMES];

    if (target->resumed)
        settle_before(target);
    take_all_times(target);
    for (uint32_t i = 0; i < TARGET_NAMES; i++)
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

void wall_resume(struct wall *wall, const struct wall *old)
{
    wall->since_ns = wall->last_ns = old->last_ns;
    for (uint32_t i = 0; i < TARGET_NAMES; i++)
        if (old->sums[i].times.cpu_ns)
            wall->sums[i].times.cpu_ns = old->sums[i].times.cpu_ns;
}
