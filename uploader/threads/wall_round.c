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
};

static struct profile_sample sample_of(struct wall *wall, const struct time_in *time)
{
    struct target *target = wall->target;
    struct profile_sample sample =
        program_sample(time->stack, target->pid, target_thread_name(target, time->name));

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
                                          sums->lived_ns - cpu->before_ns},
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

/* Hands on the time that is in no wait. Returns by what times in waits are to be multiplied. */
static double settle(struct wall *wall, uint32_t name)
{
    const struct time_balance *balance = &wall->sums[name].balance;
    struct target *target = wall->target;
    bool has_cpu = target->profiles >> PROFILE_CPU & 1;
    struct time_settled settled;

    if (is_short_lived(wall)) {
        short_lived_add_balance(&target->program->short_lived, target_thread_name(target, name), balance,
                                target->profiles, cpu_period(wall));
        return 1;
    }
    time_balance_settle(balance, has_cpu, cpu_period(wall), &settled);
    add_time(wall,
             &(struct time_in){wall_special_stack(wall, "[running]"), name,
                               has_cpu ? 0 : balance->running_samples, settled.running_ns},
             on_cpu);
    add_time(wall,
             &(struct time_in){wall_special_stack(wall, "[waiting for a CPU]"), name, 0, settled.queued_ns},
             off_cpu);
    add_time(wall, &(struct time_in){wall_special_stack(wall, "[not looked at]"), name, 0, settled.unseen_ns},
             off_cpu);
    return settled.scale;
}

static void settle_wait(struct wall *wall, struct wait_stack *wait, uint32_t name,
                        const struct pending *pending, double scale)
{
    struct time_in time = {wait_stacks_name(wall->waits, wait), name, pending->samples, pending->ns};
    struct profile_sample sample;

    if (!time.stack || (!time.ns && !time.samples))
        return;
    if (is_short_lived(wall)) {
        sample = sample_of(wall, &time);
        short_lived_add_wait(&wall->target->program->short_lived, &sample);
        return;
    }
    time.ns = (int64_t)((double)time.ns * scale);
    add_time(wall, &time, off_cpu);
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

void wall_drain(struct wall *wall)
{
    double scale[TARGET_NAMES];

    if (wall->target->resumed)
        settle_before(wall);
    take_all_times(wall);
    take_cpu(wall);
    for (uint32_t i = 0; i < TARGET_NAMES; i++)
        scale[i] =
            time_balance_total(&wall->sums[i].balance) || wall->sums[i].balance.cpu_ns ? settle(wall, i) : 1;
    for (uint32_t n = 0; n < wall->keys.used; n++) {
        uint32_t name = (uint32_t)wall->keys.key[2 * n + 1];
        settle_wait(wall, (struct wait_stack *)(uintptr_t)wall->keys.key[2 * n], name, &wall->pending[n],
                    scale[name]);
    }
    if (wall->keys.used)
        memset(wall->pending, 0, wall->keys.used * sizeof *wall->pending);
    ids_free(&wall->keys);
    wall->keys = (struct ids){.words = 2};
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
