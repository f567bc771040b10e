/* SPDX-License-Identifier: Apache-2.0 */
/* The threads profile: every live thread as it was in the last wall sample. */

#include "uploader/target/segment.h"
#include "wall_state.h"

/* The newest stack of the CPU profile, if no other thread of this name runs. */
static const struct stack *running_stack(struct wall *wall, const struct watched_thread *watched)
{
    const struct sums *sums = sums_of(wall, watched->name);
    const struct stack *newest = wall->target->cpu[sums - wall->sums].newest;

    if (watched->activity == ACTIVE_UNKNOWN)
        return wall_special_stack(wall, wall->dead ? "[ended]" : "[not looked at]");
    if (newest && sums->running == 1)
        return newest;
    return wall_special_stack(wall, "[running]");
}

static const struct watched_thread *thread_of(const struct wall *wall, int32_t tid, uint64_t handle)
{
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid &&
            (tid ? wall->watched[i].tid == tid : handle && wall->target->segment->thread[i].handle == handle))
            return &wall->watched[i];
    return NULL;
}

/* The thread that this one waits for: it holds the lock, or is to be joined. */
static void add_holder(struct wall *wall, struct watched_thread *watched, struct profile_thread *about)
{
    const struct watched_thread *holder;

    wall_read_holder(wall, &wall->target->segment->thread[watched - wall->watched], watched);
    holder = thread_of(wall, watched->holder,
                       wall_functions[watched->kind].who == WAIT_FOR_THREAD ? watched->object : 0);
    about->holder = holder ? (uint32_t)holder->tid : (uint32_t)watched->holder;
    if (holder)
        about->holder_name = target_thread_name(wall->target, holder->name);
}

static void drain_thread(struct wall *wall, struct watched_thread *watched)
{
    const struct wait_function *wait = &wall_functions[watched->kind];
    struct profile_sample sample = {
        .pid = (uint32_t)wall->target->pid,
        .thread = target_thread_name(wall->target, watched->name),
        .labels = watched->labels,
        .trace = *watched->trace.trace_text ? &watched->trace : NULL,
        .about = {.tid = (uint32_t)watched->tid,
                  .state = "running",
                  .wait = "",
                  .waited_ns = wall->last_ns - watched->since_ns},
        .value = {1},
    };
    const struct stack *stack =
        watched->stack ? wait_stacks_name(wall->waits, watched->stack) : running_stack(wall, watched);

    if (!stack)
        return;
    if (wall->dead && watched->activity == ACTIVE_UNKNOWN) {
        sample.about.state = "ending";
    } else if (watched->activity == ACTIVE_UNKNOWN) {
        sample.about.state = "unknown";
    } else if (watched->activity == ACTIVE_WAITING) {
        sample.about.state = watched->stopped ? "stopped" : wait->state;
        sample.about.wait = wait->function;
        add_holder(wall, watched, &sample.about);
    } else if (watched->stack) {
        sample.about.state = watched->stopped ? "stopped" : "blocked";
        sample.about.wait = watched->what;
    }
    sample.frame = stack->frame;
    sample.frames = stack->frames;
    program_add(wall->target->program, PROGRAM_MERGED | PROGRAM_INTERVAL, KIND_ID_THREADS, &sample);
}

void wall_drain_threads(struct wall *wall)
{
    for (int i = 0; i < TARGET_NAMES; i++)
        wall->sums[i].running = 0;
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid && wall->watched[i].activity == ACTIVE_RUNNING)
            sums_of(wall, wall->watched[i].name)->running++;
    for (uint32_t i = 0; i < wall->room; i++)
        if (wall->watched[i].tid && !wall->watched[i].gone)
            drain_thread(wall, &wall->watched[i]);
    for (uint32_t i = 0; i < wall->untracked_count; i++)
        if (wall->untracked[i].tid)
            drain_thread(wall, &wall->untracked[i]);
}
