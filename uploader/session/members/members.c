/* SPDX-License-Identifier: Apache-2.0 */
#include "members.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "held.h"
#include "uploader/base/array.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/sinks/files/restore.h"
#include "uploader/target/round.h"
#include "wanted.h"

struct member *session_find(const struct session *session, pid_t pid)
{
    return hash_get(&session->by_pid, (uint64_t)pid);
}

static void remove_member(struct session *session, size_t index)
{
    struct member *member = session->member[index];

    if (member->target->pidfd != -1)
        epoll_ctl(session->epoll_fd, EPOLL_CTL_DEL, member->target->pidfd, NULL);
    if (session_find(session, member->target->pid) == member)
        hash_take(&session->by_pid, (uint64_t)member->target->pid);
    hash_take(&session->by_address, (uintptr_t)member);
    session->member[index] = session->member[--session->members];
    session->member[index]->index = index;
    session->last_end_ns = monotonic_ns();
    member_free(member);
}

static int add_member(struct session *session, struct member *member)
{
    struct member **grown = array_reserve(session->member, &session->room, session->members, sizeof member);

    if (!grown)
        return -ENOMEM;
    session->member = grown;
    if (hash_put(&session->by_address, (uintptr_t)member, member))
        return -ENOMEM;
    if (hash_put(&session->by_pid, (uint64_t)member->target->pid, member)) {
        hash_take(&session->by_address, (uintptr_t)member);
        return -ENOMEM;
    }
    member->index = session->members;
    session->member[session->members++] = member;
    return 0;
}

/* ended_ns: the latest time at which its program ended; 0: it goes on, unobserved. */
void session_end(struct session *session, size_t index, int64_t ended_ns)
{
    struct member *member = session->member[index];

    session_hold_ended(session, member);
    if (ended_ns)
        member_drain_end(member, ended_ns);
    else
        member_drain(member);
    wanted_member_ended(session, member);
    /* It goes on, and its next uploader begins where this one ends. */
    if (!ended_ns && session->is_finishing)
        target_commit(member->target);
    log_info("%s[%d] ended", member->target->program->name, (int)member->target->pid);
    remove_member(session, index);
}

/* The process has a member already. It executed another program, or it took this uploader for dead and made a
   copy. */
static void replace_member(struct session *session, struct member *member)
{
    struct member *old = member->target->pid ? session_find(session, member->target->pid) : NULL;

    if (!old)
        return;
    if (member->target->resumed) {
        member_resume(member, old);
        keeper_send(&session->keeper, KEEPER_RELEASE, old->target->id);
        remove_member(session, old->index);
    } else {
        struct program *program = old->target->program;
        session_end(session, old->index, monotonic_ns());
        if (program == member->target->program)
            program_clear_threads(program, member->target->pid);
    }
}

/* Reads back what is left of processes that had ended before this uploader: the files of its session. If the
   keeper died as well, the session is known by a process that came with a copy of its segment, and its files
   are those that were written since that process began. */
void session_restore(struct session *session, int64_t since_ns, bool without_living)
{
    const struct restore_without without = {&session->held_pids, without_living};

    session->is_restoring = false;
    for (size_t i = 0; i < session->programs.sinks; i++) {
        int directory = sink_files_directory(session->programs.sink[i]);
        if (directory >= 0)
            restore_programs(&session->programs, directory, since_ns, &without);
    }
    hash_free(&session->held_pids);
    session->held_pids = (struct hash){0};
}

static void refuse(struct session *session, const struct handover *handover)
{
    keeper_send(&session->keeper, KEEPER_RELEASE, handover->id);
    session->refused++;
}

static bool is_one_too_many(struct session *session, struct handover *handover)
{
    if (session->members < SESSION_TARGETS || handover->was_held || session_find(session, handover->pid))
        return false;
    log_warn("process %d is not profiled: more than %d at one time", (int)handover->pid, SESSION_TARGETS);
    handover_close(handover);
    session->programs.processes_beyond++;
    session->refused++;
    return true;
}

/* The keeper holds the process before anything of it is read. NULL: refused. */
static struct member *attach(struct session *session, struct handover *handover)
{
    struct member *member;
    bool is_held;

    target_open_files(handover);
    if (!handover->was_held)
        handover->id = keeper_new_id(&session->keeper);
    is_held = handover->was_held || keeper_hold(&session->keeper, handover);
    if (member_new(&session->programs, handover, &member)) {
        refuse(session, handover);
        return NULL;
    }
    member->is_held = is_held;
    member->committed_ns = member->target->program->interval_done_ns;
    return member;
}

/* If the first process of a session had an uploader before, the files of that one are read back. */
static void restore_at_first(struct session *session, const struct seg_header *header)
{
    if (session->is_first && header->flags & SEGMENT_RESUMED)
        session_restore(session, (int64_t)(header->start_realtime_ns & INT64_MAX), true);
    session->is_first = false;
}

void session_take(struct session *session, const struct handover *given)
{
    struct handover handover = *given;
    struct member *member;
    const struct target *target;
    bool is_over;

    if (is_one_too_many(session, &handover) || !(member = attach(session, &handover)))
        return;
    target = member->target;
    if (handover.was_held && handover.pid && target->resumed)
        hash_put(&session->held_pids, (uint64_t)handover.pid, session);
    if (!handover.has_ended)
        replace_member(session, member);
    if (add_member(session, member)) {
        member_drain(member);
        member_free(member);
        refuse(session, &handover);
        return;
    }
    session->joined++;
    wanted_member_joined(session, member);
    restore_at_first(session, &target->segment->header);
    log_info("%s[%d] %s", target->program->name, (int)target->pid, handover.was_held ? "kept" : "joined");
    /* If there is no pidfd, the process is gone or out of sight. What it has recorded so far is then all
       there is. */
    is_over = target->pidfd == -1 || handover.has_ended;
    if (is_over || session_watch(session, target->pidfd, member))
        session_end(session, session->members - 1, is_over ? monotonic_ns() : 0);
}

/* A process that an earlier uploader had. If the process took that one for dead, a copy of its segment may be
   here already. */
void session_take_held(struct session *session, const struct handover *handover)
{
    struct member *copy = handover->pid && !handover->has_ended ? session_find(session, handover->pid) : NULL,
                  *old;

    if (!copy || !(copy->target->segment->header.flags & SEGMENT_RESUMED)) {
        session_take(session, handover);
        return;
    }
    if (!member_new(&session->programs, handover, &old)) {
        old->target->resumed = copy->target->resumed; /* one of the two has what was acknowledged */
        member_resume(copy, old);
        member_free(old);
    }
    keeper_send(&session->keeper, KEEPER_RELEASE, handover->id);
}
