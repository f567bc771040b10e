/* SPDX-License-Identifier: Apache-2.0 */
#include "rounds.h"

#include <stdlib.h>

#include "held.h"
#include "members.h"
#include "uploader/base/clock.h"
#include "uploader/programs/upload.h"
#include "uploader/target/segment.h"

#define SEND_TICK_NS (200 * MS_NS) /* while uploads wait for the network */
enum { WALL_SHARE = 64, WALL_COSTS_AVERAGED = 8 };

void session_round(struct session *session)
{
    for (size_t i = 0; i < session->members; i++)
        member_drain(session->member[i]);
    keeper_touch(0);
    programs_upload_all(&session->programs);
    session_release_written(session);
    session->next_round_ns = monotonic_ns() + session->interval_ns;
}

void session_send(struct session *session, unsigned wait_ms)
{
    session->next_send_ns = monotonic_ns() + SEND_TICK_NS;
    session->queued = 0;
    for (size_t i = 0; i < session->programs.sinks; i++)
        if (session->programs.sink[i]->ops->work)
            session->queued += session->programs.sink[i]->ops->work(session->programs.sink[i], wait_ms);
}

/* When pid 1 of a container ends, the kernel kills the whole container, this uploader included. So everything
   is sent before pid 1 may end. */
void session_serve_waiting(struct session *session)
{
    for (size_t i = 0; i < session->members; i++) {
        if (!target_waits(session->member[i]->target))
            continue;
        session_round(session);
        session_send(session, 5000);
        target_finished(session->member[i]->target);
    }
}

/* Tables that fill up, and a process that may wait for the uploader, are served more often than once a second. */
bool session_fast_tick(struct session *session, int64_t now_ns)
{
    bool any = false;
    for (size_t i = 0; i < session->members; i++) {
        struct member *member = session->member[i];
        any |= member_rotate(member, now_ns);
        any |= (member->target->segment->header.flags & SEGMENT_PID1) != 0;
    }
    return any;
}

void session_tick(struct session *session, int64_t now_ns)
{
    if (now_ns < session->next_tick_ns)
        return;
    for (size_t i = session->members; i--;) {
        if (target_is_replaced(session->member[i]->target))
            session_end(session, i, now_ns);
        else
            member_tick(session->member[i], now_ns);
    }
    /* Once a second at most: a file that it closes may have to be opened and unpacked again for the next new
       address. */
    symbols_trim(session->symbols);
    if (session->listen_fd != -1)
        acceptor_tick(&session->acceptor, now_ns);
    session_hold_all(session);
    session->next_tick_ns = now_ns + TICK_NS;
}

/* Half to one and a half periods, at random. Otherwise a program that works in step with the samples would
   always be seen in the same place. */
static int64_t jittered(int64_t period_ns)
{
    return period_ns / 2 + (int64_t)((double)period_ns * ((double)random() / RAND_MAX));
}

/* All members share one budget. Each time another member comes first. */
static void wall_sample_all(struct session *session)
{
    struct wall_budget budget = wall_budget();
    size_t first = session->wall_samples++;

    for (size_t i = 0; i < session->members; i++)
        member_wall_sample(session->member[(first + i) % session->members], &budget, monotonic_ns());
}

/* However many threads there are, wall samples take 1 / WALL_SHARE of a CPU, or there is one a second. */
static void timed_wall_sample(struct session *session)
{
    int64_t cost_ns = -clock_ns(CLOCK_THREAD_CPUTIME_ID), least_ns;

    wall_sample_all(session);
    cost_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
    session->wall_cost_ns += (cost_ns - session->wall_cost_ns) / WALL_COSTS_AVERAGED;
    least_ns =
        session->wall_cost_ns * WALL_SHARE < SECOND_NS ? session->wall_cost_ns * WALL_SHARE : SECOND_NS;
    session->programs.wall_period_ns =
        session->usual_wall_period_ns > least_ns ? session->usual_wall_period_ns : least_ns;
}

/* Returns when the next one is due. */
int64_t session_wall_sample(struct session *session, int64_t now_ns)
{
    bool any = false;

    for (size_t i = 0; session->usual_wall_period_ns && i < session->members; i++)
        any |= target_records_threads(session->member[i]->target);
    if (!any)
        return INT64_MAX;
    if (now_ns < session->next_wall_ns)
        return session->next_wall_ns;
    timed_wall_sample(session);
    return session->next_wall_ns = now_ns + jittered(session->programs.wall_period_ns);
}
