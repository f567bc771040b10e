/* SPDX-License-Identifier: Apache-2.0 */
#include "member.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "uploader/base/clock.h"
#include "uploader/handover/keeper.h"
#include "uploader/target/cpu_time.h"
#include "uploader/target/process/adopt.h"
#include "uploader/target/process/describe.h"
#include "uploader/target/process/resident.h"
#include "uploader/target/rotate.h"
#include "uploader/target/round.h"
#include "uploader/target/segment.h"

int member_new(struct programs *programs, const struct handover *handover, struct member **result)
{
    struct member *member = calloc(1, sizeof *member);
    struct target *target;
    int rc;

    keeper_touch(handover->id);
    rc = target_attach(programs, handover, &target);
    if (rc) {
        free(member);
        return rc;
    }
    if (member && (member->wall = wall_new(target))) {
        member->target = target;
        if (programs->wants_facts)
            target_describe(target);
        *result = member;
        return 0;
    }
    target_free(target, target->since_ns);
    free(member);
    return -ENOMEM;
}

void member_free(struct member *member)
{
    int64_t until_ns = wall_until(member->wall);

    wall_free(member->wall);
    target_free(member->target, until_ns);
    free(member);
}

void member_tick(struct member *member, int64_t now_ns)
{
    struct target *target = member->target;
    struct untracked_threads untracked;
    struct wall_budget budget;

    keeper_touch(target->id);
    target_beat(target);
    target_read_context(target);
    if (target_adopt(target, &untracked))
        wall_set_untracked(member->wall, &untracked);
    /* Nothing else takes wall samples then. This one notes that nothing is recorded. */
    if (!target_records_threads(target)) {
        budget = wall_budget();
        member_wall_sample(member, &budget, now_ns);
    }
    target_read_resident(target, now_ns);
    target_name_ahead(target, now_ns);
}

static void account_times(struct member *member)
{
    wall_drain(member->wall);
    target_set_accounted(member->target, wall_until(member->wall));
}

/* Between rounds: samples, and the times that go with them. */
static void drain_times(struct member *member)
{
    keeper_touch(member->target->id);
    target_drain_samples(member->target);
    account_times(member);
}

/* What was recorded until now is accounted for as it was. */
static void change_profiles(struct member *member, uint32_t profiles, int64_t now_ns)
{
    drain_times(member);
    wall_change_profiles(member->wall, profiles, now_ns);
}

/* The session may notice an end late. A process that has run its exit handlers has ended for wall samples, unless
   it lives on for a second: its libraries' destructors run then. On a busy machine it is the session that was late. */
static bool is_exiting(const struct member *member, int64_t now_ns)
{
    int64_t exit_ns = target_exit_time(member->target);
    return !member->has_ended && exit_ns < now_ns && (now_ns - exit_ns < SECOND_NS || member_is_dead(member));
}

void member_wall_sample(struct member *member, struct wall_budget *budget, int64_t now_ns)
{
    uint32_t profiles = target_recorded(member->target);

    keeper_touch(member->target->id);
    if (now_ns <= wall_until(member->wall) || is_exiting(member, now_ns))
        return;
    if (profiles != member->target->profiles)
        change_profiles(member, profiles, now_ns);
    stacks_look(member->target->stacks);
    wall_sample(member->wall, budget, now_ns);
}

static void drain_states(struct member *member)
{
    target_drain_states(member->target);
    if (target_recorded(member->target) >> PROFILE_THREADS & 1)
        wall_drain_threads(member->wall);
}

static void drain_at(struct member *member, int64_t now_ns)
{
    struct wall_budget budget;

    keeper_touch(member->target->id);
    target_drain_samples(member->target);
    budget = wall_budget();
    member_wall_sample(member, &budget, now_ns);
    account_times(member);
    drain_states(member);
}

void member_drain(struct member *member)
{
    drain_at(member, monotonic_ns());
}

void member_drain_sums(struct member *member)
{
    drain_times(member);
}

void member_drain_end(struct member *member, int64_t ended_ns)
{
    int64_t exit_ns = target_exit_time(member->target);

    if (exit_ns < ended_ns && exit_ns >= wall_until(member->wall))
        ended_ns = exit_ns;
    member->has_ended = true;
    wall_set_dead(member->wall);
    drain_at(member, ended_ns);
    target_end_cpu(member->target);
}

void member_count(struct member *member)
{
    keeper_touch(member->target->id);
    target_drain_counters(member->target);
    target_read_cpu(member->target);
}

void member_resume(struct member *member, struct member *old)
{
    /* No other wall sample is taken: the slots of `old` stand still since the copy was made, and the process
       goes on. */
    drain_times(old);
    target_commit(old->target);
    target_resume(member->target, old->target);
    wall_resume(member->wall, old->wall);
}

bool member_rotate(struct member *member, int64_t now_ns)
{
    keeper_touch(member->target->id);
    return rotate_tick(member->target, now_ns);
}

bool member_is_dead(const struct member *member)
{
    struct pollfd ask = {.fd = member->target->pidfd, .events = POLLIN};
    return member->target->pidfd == -1 || poll(&ask, 1, 0) == 1;
}
