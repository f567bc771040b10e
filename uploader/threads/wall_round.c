/* SPDX-License-Identifier: Apache-2.0 */
/* A round: the times that wall samples saw since the last round are balanced and handed on. */
#include <string.h>

#include "uploader/base/clock.h"
#include "uploader/target/segment.h"
#include "wall_state.h"

enum { LATE_SAMPLES = 4 }; /* of one thread, that may come in the round after their time */
#define SHORT_LIVED_NS SECOND_NS

/* Bounded: it is in memory that the target can write. */
static int64_t cpu_period(const struct wall *wall)
{
    return atomic_load_explicit(&wall->target->segment->control.cpu_period_ns, memory_order_relaxed) %
           SECOND_NS;
}

/* Of threads with one name, so many samples and so much time in one stack. */
struct time_in {
    const struct stack *stack;
    uint32_t name;
    int64_t samples, ns;
    const struct profile_labels *labels;
    const struct profile_trace *trace;
};

static struct profile_sample sample_of(struct wall *wall, const struct time_in *time)
{
    struct target *target = wall->target;
    struct profile_sample sample =
        program_sample(time->stack, target->pid, target_thread_name(target, time->name));

    sample.labels = time->labels;
    sample.trace = time->trace;
    sample.value[0] = time->samples;
    sample.value[1] = time->ns;
    return sample;
}

static void add_time_to(struct wall *wall, unsigned parts, const struct time_in *time, uint32_t profiles)
{
    struct profile_sample sample;

    if (!time->stack || (!time->samples && !time->ns))
        return;
    sample = sample_of(wall, time);
    program_add_time(wall->target->program, parts, &sample, wall->target->profiles & profiles);
}

static const uint32_t on_cpu = 1u << PROFILE_WALL, off_cpu = 1u << PROFILE_WALL | 1u << PROFILE_OFF_CPU;

static void add_time(struct wall *wall, const struct time_in *time, uint32_t profiles)
{
    add_time_to(wall, PROGRAM_MERGED | PROGRAM_INTERVAL, time, profiles);
}

/* After another uploader took over: what threads lived before since_ns and was not CPU time. What it was is lost.
   Without it, the merged profile would have CPU time alone from before since_ns. */
static void settle_before(struct wall *wall)
{
    for (uint32_t i = 0; i < TARGET_NAMES; i++) {
        struct cpu_sum *cpu = &wall->target->cpu[i];
        struct sums *sums = &wall->sums[i];
        if (sums->lived_ns > cpu->before_ns)
            add_time_to(wall, PROGRAM_MERGED,
                        &(struct time_in){wall_special_stack(wall, "[seen by an earlier uploader]"), i, 0,
                                          sums->lived_ns - cpu->before_ns, NULL, NULL},
                        off_cpu);
        if (sums->lived_ns || cpu->before_ns)
            sums->lived_ns = cpu->before_ns = 0;
    }
}

/* The times of a short-lived process say little, so they are put together with those of others. */
static bool is_short_lived(const struct wall *wall)
{
    int64_t start_ns = target_time(wall->target, wall->target->segment->header.start_monotonic_ns);
    return wall->dead && wall->last_ns - start_ns < SHORT_LIVED_NS;
}

/* Of the threads of one name: what is settled, and how much of it is not handed on with labels. */
struct settling {
    double wait, running, queued; /* by which times are multiplied */
    int64_t running_ns, queued_ns;
};

static double ratio(int64_t settled_ns, int64_t seen_ns)
{
    return seen_ns > 0 ? (double)settled_ns / (double)seen_ns : 0;
}

static struct settling settle(struct wall *wall, uint32_t name)
{
    const struct time_balance *balance = &wall->sums[name].balance;
    struct target *target = wall->target;
    struct time_settled settled;

    if (is_short_lived(wall)) {
        short_lived_add_balance(&target->program->short_lived, target_thread_name(target, name), balance,
                                target->profiles, cpu_period(wall));
        return (struct settling){.wait = 1};
    }
    time_balance_settle(balance, target->profiles >> PROFILE_CPU & 1, cpu_period(wall), &settled);
    add_time(wall,
             &(struct time_in){wall_special_stack(wall, "[not looked at]"), name, 0, settled.unseen_ns, NULL,
                               NULL},
             off_cpu);
    return (struct settling){settled.scale, ratio(settled.running_ns, balance->running_ns),
                             ratio(settled.queued_ns, balance->queued_ns), settled.running_ns,
                             settled.queued_ns};
}

/* What is left of the time in no wait, of threads without labels. Samples of it are not told apart. */
static void settle_rest(struct wall *wall, uint32_t name, const struct settling *settling)
{
    bool has_cpu = wall->target->profiles >> PROFILE_CPU & 1;
    int64_t samples = has_cpu ? 0 : wall->sums[name].balance.running_samples;

    if (is_short_lived(wall) || (!samples && !settling->running_ns && !settling->queued_ns))
        return;
    add_time(wall,
             &(struct time_in){wall_special_stack(wall, "[running]"), name, samples, settling->running_ns,
                               NULL, NULL},
             on_cpu);
    add_time(wall,
             &(struct time_in){wall_special_stack(wall, "[waiting for a CPU]"), name, 0, settling->queued_ns,
                               NULL, NULL},
             off_cpu);
}

static void settle_pending(struct wall *wall, const uint64_t *key, const struct pending *pending,
                           struct settling *settling)
{
    struct wait_stack *stack = (struct wait_stack *)(uintptr_t)key[PENDING_STACK];
    bool is_running = stack == wall->running, is_queued = stack == wall->queued;
    struct time_in time = {wait_stacks_name(wall->waits, stack),
                           (uint32_t)key[PENDING_NAME],
                           pending->samples,
                           pending->ns,
                           (const struct profile_labels *)(uintptr_t)key[PENDING_LABELS],
                           (const struct profile_trace *)(uintptr_t)key[PENDING_TRACE]};
    struct profile_sample sample;

    if (!time.stack || (!time.ns && !time.samples))
        return;
    if (is_short_lived(wall)) {
        sample = sample_of(wall, &time);
        if (!is_running && !is_queued) /* those are in the balance of the name */
            short_lived_add_wait(&wall->target->program->short_lived, &sample);
        return;
    }
    time.ns = (int64_t)((double)time.ns * (is_running  ? settling->running
                                           : is_queued ? settling->queued
                                                       : settling->wait));
    if (is_running)
        settling->running_ns -= time.ns;
    else if (is_queued)
        settling->queued_ns -= time.ns;
    add_time(wall, &time, is_running ? on_cpu : off_cpu);
}

/* CPU time beyond the threads' lifetime comes from CPU samples that were late. It counts in the next round, but a
   few samples of each thread at most. */
static void sums_reset(struct sums *sums, int64_t most_ns)
{
    int64_t over_ns = sums->balance.cpu_ns - time_balance_total(&sums->balance);

    if (!time_balance_total(&sums->balance) && !sums->balance.cpu_ns) /* its page stays unused */
        return;
    *sums = (struct sums){.balance.cpu_ns = over_ns <= 0 ? 0 : over_ns < most_ns ? over_ns : most_ns};
}

/* CPU time that was drained since the last round. */
static void take_cpu(struct wall *wall)
{
    for (uint32_t i = 0; i < TARGET_NAMES; i++) {
        struct cpu_sum *cpu = &wall->target->cpu[i];
        if (!cpu->ns && !cpu->newest_ns) /* its page stays unused */
            continue;
        time_add(&wall->sums[i].balance.cpu_ns, cpu->ns);
        cpu->ns = cpu->newest_ns = 0;
    }
}

static void reset_all(struct wall *wall)
{
    int64_t threads[TARGET_NAMES] = {0};

    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid)
            threads[wall->watched[i].name % TARGET_NAMES]++;
    for (uint32_t i = 0; i < TARGET_NAMES; i++)
        sums_reset(&wall->sums[i], LATE_SAMPLES * (threads[i] + 1) * cpu_period(wall));
}

static void take_times_of_round(struct wall *wall, struct watched_thread *watched)
{
    wall_credit_deferred(wall, watched);
    if (watched->tid && (watched->has_run || !watched->has_timer))
        wall_take_times(wall, watched);
    watched->has_run = watched->activity == ACTIVE_RUNNING;
}

static void take_all_times(struct wall *wall)
{
    for (uint32_t i = 0; i < wall->room; i++)
        take_times_of_round(wall, &wall->watched[i]);
    for (uint32_t i = 0; i < wall->untracked_count; i++)
        take_times_of_round(wall, &wall->untracked[i]);
}

static void settle_all(struct wall *wall)
{
    struct settling settling[TARGET_NAMES];

    for (uint32_t i = 0; i < TARGET_NAMES; i++) {
        const struct time_balance *balance = &wall->sums[i].balance;
        settling[i] =
            time_balance_total(balance) || balance->cpu_ns ? settle(wall, i) : (struct settling){.wait = 1};
    }
    for (uint32_t n = 0; n < wall->keys.used; n++) {
        const uint64_t *key = wall->keys.key + (size_t)PENDING_WORDS * n;
        settle_pending(wall, key, &wall->pending[n], &settling[key[PENDING_NAME] % TARGET_NAMES]);
    }
    for (uint32_t i = 0; i < TARGET_NAMES; i++)
        settle_rest(wall, i, &settling[i]);
}

static void forget_pending(struct wall *wall)
{
    if (wall->keys.used)
        memset(wall->pending, 0, wall->keys.used * sizeof *wall->pending);
    ids_free(&wall->keys);
    wall->keys = (struct ids){.words = PENDING_WORDS};
    traces_free(&wall->traces);
    wall->running = wall->queued = NULL;
}

void wall_drain(struct wall *wall)
{
    if (wall->target->resumed)
        settle_before(wall);
    take_all_times(wall);
    take_cpu(wall);
    settle_all(wall);
    forget_pending(wall);
    reset_all(wall);
    wall->unreadable = false;
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].stack)
            wait_stacks_mark(wall->watched[i].stack);
    for (uint32_t i = 0; i < wall->untracked_count; i++)
        if (wall->untracked[i].stack)
            wait_stacks_mark(wall->untracked[i].stack);
    wait_stacks_sweep(wall->waits);
}
