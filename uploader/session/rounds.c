/* SPDX-License-Identifier: Apache-2.0 */
#include "rounds.h"

#include <stdlib.h>
#include <unistd.h>

#include "overhead.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/session/members/held.h"
#include "uploader/session/members/members.h"
#include "uploader/target/segment.h"
#include "uploader/upload/upload.h"

#define SEND_TICK_NS (100 * MS_NS) /* while uploads wait for the network */
#define SAY_AFTER_NS (2 * SECOND_NS)
enum { SEND_STEP_MS = 200, WALL_SHARE = 64, WALL_COSTS_AVERAGED = 8, SYMBOLS_WAIT_STEP_MS = 200 };

void session_round(struct session *session)
{
    const int64_t began_ns = monotonic_ns();
    int64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

    for (size_t i = 0; i < session->members; i++) {
        member_drain(session->member[i]);
        session_charge(session->member[i]->target->program, COST_READING, &cpu_ns);
    }
    keeper_touch(0);
    programs_upload_all(&session->programs);
    session_release_written(session);
    durations_add(&session->round, monotonic_ns() - began_ns);
    session->next_round_ns = monotonic_ns() + session->interval_ns;
}

/* When a sink has something to do: 0 at once, INT64_MAX not by itself. */
static int64_t next_send(const struct session *session)
{
    int64_t next_ns = INT64_MAX;

    for (size_t i = 0; i < session->programs.sinks; i++) {
        const struct sink *sink = session->programs.sink[i];
        int64_t due_ns = sink->ops->next_ns ? sink->ops->next_ns(sink) : INT64_MAX;
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    return next_ns;
}

void session_send(struct session *session, unsigned wait_ms)
{
    int64_t now_ns, next_ns;

    session->queued = 0;
    for (size_t i = 0; i < session->programs.sinks; i++)
        if (session->programs.sink[i]->ops->work)
            session->queued += session->programs.sink[i]->ops->work(session->programs.sink[i], wait_ms);
    now_ns = monotonic_ns();
    next_ns = next_send(session);
    next_ns = next_ns < now_ns + SEND_TICK_NS ? now_ns + SEND_TICK_NS : next_ns;
    session->next_send_ns = next_ns < now_ns + TICK_NS ? next_ns : now_ns + TICK_NS;
}

void session_read_signals(struct session *session)
{
    struct signalfd_siginfo info;
    while (read(session->signal_fd, &info, sizeof info) == sizeof info)
        session->ops->signal(session, &info);
}

static void say_waiting(const struct session *session)
{
    if (session->options->foreground)
        log_warn("%u profiles are still to be sent; an interrupt ends the waiting", session->queued);
}

/* A server that is slow is waited for as long as it takes something now and then. One that cannot be reached, or wants
   to be left alone, is not waited for long. */
void session_send_all(struct session *session, const struct session_patience *patience)
{
    int64_t began_ns = monotonic_ns(), moved_ns = began_ns, now_ns = began_ns, next_ns;
    unsigned before;
    bool has_said = false;

    session_send(session, 0);
    while (session->queued && !session->is_interrupted && now_ns - began_ns < patience->most_ms * MS_NS) {
        before = session->queued;
        session_send(session, SEND_STEP_MS);
        keeper_touch(0);
        atomic_fetch_add_explicit(&session->keeper.board->beats, 1, memory_order_relaxed);
        session_read_signals(session);
        now_ns = monotonic_ns();
        next_ns = next_send(session);
        if (session->queued < before)
            moved_ns = now_ns;
        if (session->queued && (next_ns ? next_ns > moved_ns + patience->idle_ms * MS_NS
                                        : now_ns > moved_ns + patience->busy_ms * MS_NS))
            break;
        if (session->queued && !has_said && now_ns - began_ns > SAY_AFTER_NS) {
            say_waiting(session);
            has_said = true;
        }
        if (next_ns > now_ns) /* it had nothing to do in this step */
            usleep(SEND_STEP_MS * 1000 / 4);
    }
}

/* When pid 1 of a container ends, the kernel kills the whole container, this uploader included. So everything
   is sent before pid 1 may end, which waits for 10 s at most. */
void session_serve_waiting(struct session *session)
{
    static const struct session_patience patience = {5000, 9000, 9000};

    for (size_t i = 0; i < session->members; i++) {
        if (!target_waits(session->member[i]->target))
            continue;
        session_round(session);
        session_send_all(session, &patience);
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

bool session_tick(struct session *session, int64_t now_ns)
{
    int64_t cpu_ns;

    if (now_ns < session->next_tick_ns)
        return false;
    cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = session->members; i--;) {
        struct program *program = session->member[i]->target->program;
        if (target_is_replaced(session->member[i]->target))
            session_end(session, i, now_ns);
        else
            member_tick(session->member[i], now_ns);
        session_charge(program, COST_READING, &cpu_ns);
    }
    session_hold_budgets(session, now_ns);
    /* Once a second at most: a file that it closes may have to be opened and unpacked again for the next new
       address. */
    symbols_trim(session->symbols);
    if (symbols_take_fetched(session->symbols))
        programs_renamed(&session->programs);
    if (session->listen_fd != -1)
        acceptor_tick(&session->acceptor, now_ns);
    session_hold_all(session);
    session->next_tick_ns = now_ns + TICK_NS;
    return true;
}

/* What is under way is worth a moment: the next session would have to fetch it again. */
void session_await_symbols(struct session *session, unsigned wait_ms)
{
    const int64_t until_ns = monotonic_ns() + wait_ms * MS_NS;

    while (monotonic_ns() < until_ns && symbols_wait(session->symbols, SYMBOLS_WAIT_STEP_MS)) {
        if (symbols_take_fetched(session->symbols))
            programs_renamed(&session->programs);
        keeper_touch(0);
        atomic_fetch_add_explicit(&session->keeper.board->beats, 1, memory_order_relaxed);
    }
}

/* Half to one and a half periods, at random. Otherwise a program that works in step with the samples would
   always be seen in the same place. */
static int64_t jittered(int64_t period_ns)
{
    return period_ns / 2 + (int64_t)((double)period_ns * ((double)random() / RAND_MAX));
}

/* How often the member's threads are to be looked at. 0: once a round. */
static int64_t wall_period_of(const struct session *session, const struct member *member)
{
    return member->target->wall_period_ns ? member->target->wall_period_ns
                                          : session->programs.usual_wall_period_ns;
}

/* The shortest period of all members whose threads are recorded. 0: no wall samples are wanted. */
static int64_t shortest_wall_period(const struct session *session)
{
    int64_t shortest = 0;

    for (size_t i = 0; i < session->members; i++) {
        int64_t period = wall_period_of(session, session->member[i]);
        if (period && (!shortest || period < shortest) && target_records_threads(session->member[i]->target))
            shortest = period;
    }
    return shortest;
}

/* The session looks as often as the member with the shortest period wants it. Others leave some of that out. */
static bool is_due(const struct session *session, struct member *member, int64_t now_ns)
{
    int64_t period = wall_period_of(session, member);

    if (period && period <= session->programs.wall_period_ns)
        return true;
    if (!period || now_ns < member->next_wall_ns)
        return false;
    member->next_wall_ns = now_ns + jittered(period);
    return true;
}

/* All members share one budget. Each time another member comes first. */
static void wall_sample_all(struct session *session)
{
    struct wall_budget budget = wall_budget();
    int64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    size_t first = session->wall_samples++;

    for (size_t i = 0; i < session->members; i++) {
        struct member *member = session->member[(first + i) % session->members];
        int64_t now_ns = monotonic_ns();
        if (!is_due(session, member, now_ns))
            continue;
        member_wall_sample(member, &budget, now_ns);
        session_charge(member->target->program, COST_WALL, &cpu_ns);
    }
}

/* However many threads there are, wall samples take 1 / WALL_SHARE of a CPU, or there is one a second. */
static void timed_wall_sample(struct session *session, int64_t period_ns)
{
    int64_t cost_ns = -clock_ns(CLOCK_THREAD_CPUTIME_ID), least_ns;

    wall_sample_all(session);
    cost_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
    session->wall_cost_ns += (cost_ns - session->wall_cost_ns) / WALL_COSTS_AVERAGED;
    least_ns =
        session->wall_cost_ns * WALL_SHARE < SECOND_NS ? session->wall_cost_ns * WALL_SHARE : SECOND_NS;
    session->programs.wall_period_ns = period_ns > least_ns ? period_ns : least_ns;
}

/* Returns when the next one is due. */
int64_t session_wall_sample(struct session *session, int64_t now_ns)
{
    int64_t period_ns = shortest_wall_period(session);

    if (!period_ns)
        return INT64_MAX;
    if (now_ns < session->next_wall_ns)
        return session->next_wall_ns;
    timed_wall_sample(session, period_ns);
    return session->next_wall_ns = now_ns + jittered(session->programs.wall_period_ns);
}
