/* SPDX-License-Identifier: Apache-2.0 */
#include "held.h"

#include <string.h>
#include <sys/stat.h>

#include "uploader/base/clock.h"
#include "uploader/target/round.h"
#include "uploader/upload/upload.h"

#define ENDED_BYTES (INT64_C(64) << 20)

void session_start_keeper(struct session *session)
{
    if (keeper_start(&session->keeper, session->listen_fd))
        return;
    session_watch(session, session->keeper.control, &session->keeper);
    for (size_t i = 0; i < session->members; i++)
        session->member[i]->is_held = false;
    session->ended_count = 0;
    session->ended_bytes = 0;
}

static void release_oldest(struct session *session)
{
    keeper_send(&session->keeper, KEEPER_RELEASE, session->ended[0].id);
    session->ended_bytes -= session->ended[0].bytes;
    session->ended_count--;
    memmove(&session->ended[0], &session->ended[1], session->ended_count * sizeof session->ended[0]);
}

/* The keeper holds it until it is written. Only a few are held, because processes that end by the hundred
   would take up memory. */
void session_hold_ended(struct session *session, const struct member *member)
{
    struct session_ended ended = {member->target->id, member->target->program, monotonic_ns(), 0};
    struct stat st;

    if (!member->is_held || session->is_finishing)
        return;
    if (!member_is_dead(member))
        keeper_send(&session->keeper, KEEPER_ENDED, member->target->id);
    if (!fstat(member->target->memfd, &st))
        ended.bytes = (int64_t)st.st_blocks * 512;
    while (session->ended_count &&
           (session->ended_count == SESSION_ENDED || session->ended_bytes > ENDED_BYTES))
        release_oldest(session);
    session->ended[session->ended_count++] = ended;
    session->ended_bytes += ended.bytes;
}

/* After uploads. */
void session_release_written(struct session *session)
{
    size_t left = 0;

    programs_settle(&session->programs);
    for (size_t i = 0; i < session->members; i++) {
        struct member *member = session->member[i];
        if (member->committed_ns != member->target->program->interval_done_ns)
            target_commit(member->target);
        member->committed_ns = member->target->program->interval_done_ns;
    }

    for (size_t i = 0; i < session->ended_count; i++) {
        const struct session_ended *ended = &session->ended[i];
        if ((ended->program->merged_done_ns > ended->ended_ns &&
             ended->program->interval_done_ns > ended->ended_ns) ||
            monotonic_ns() - ended->ended_ns > 2 * session->interval_ns + SECOND_NS) {
            keeper_send(&session->keeper, KEEPER_RELEASE, ended->id);
            session->ended_bytes -= ended->bytes;
        } else {
            session->ended[left++] = *ended;
        }
    }
    session->ended_count = left;
}

/* Members that the keeper could not take at once, or that another keeper held. */
void session_hold_all(struct session *session)
{
    if (session->keeper.control == -1)
        session_start_keeper(session);
    for (size_t i = 0; i < session->members && session->keeper.control != -1; i++) {
        struct member *member = session->member[i];
        const struct handover handover = {.pid = member->target->pid,
                                          .memfd = member->target->memfd,
                                          .pidfd = member->target->pidfd,
                                          .root_fd = member->target->source.root_fd,
                                          .exe_fd = member->target->source.exe_fd,
                                          .id = member->target->id};
        if (!member->is_held)
            member->is_held = keeper_hold(&session->keeper, &handover);
    }
}
