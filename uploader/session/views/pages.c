/* SPDX-License-Identifier: Apache-2.0 */
#include "pages.h"

#include "uploader/base/clock.h"
#include "uploader/handover/keeper.h"
#include "uploader/pull/pull.h"
#include "uploader/session/members/members.h"
#include "uploader/upload/upload.h"

static bool is_selected(const struct selection *selection, const struct member *member)
{
    return (!selection->pid || (uint32_t)member->target->pid == selection->pid) &&
           selection_has(selection, member->target->program);
}

/* A round without an upload: what a profile of N seconds begins and ends with. */
static void read_selected(void *context, const struct selection *selection, int64_t old_ns)
{
    struct session *session = context;
    const int64_t now_ns = monotonic_ns();

    if (session->read_ns && now_ns - session->read_ns < old_ns)
        return;
    if (!selection->pid && !*selection->program)
        session->read_ns = now_ns;
    for (size_t i = 0; i < session->members; i++)
        if (is_selected(selection, session->member[i]))
            member_drain(session->member[i]);
    for (size_t i = 0; i < session->programs.count; i++)
        if (selection_has(selection, session->programs.program[i]))
            program_settle_short_lived(session->programs.program[i]);
    keeper_touch(0);
}

static bool process_at(void *context, size_t n, struct pull_process *process)
{
    const struct session *session = context;

    if (n >= session->members)
        return false;
    *process =
        (struct pull_process){(uint32_t)session->member[n]->target->pid, session->member[n]->target->program};
    return true;
}

static const struct symbol_location *locate(void *context, uint32_t pid, uint64_t address)
{
    const struct member *member = session_find(context, (pid_t)pid);
    return member ? stacks_locate(member->target->stacks, address) : NULL;
}

static int64_t since_ms(void *context)
{
    const struct session *session = context;
    return atomic_load_explicit(&session->keeper.board->start_ns, memory_order_relaxed) / MS_NS;
}

void session_open_pages(struct session *session)
{
    session->web = web_open(session->options);
    session->pull = pull_new(session->web, &(struct pull_source){.programs = &session->programs,
                                                                 .context = session,
                                                                 .read = read_selected,
                                                                 .process = process_at,
                                                                 .locate = locate});
    tabs_open(&session->tabs, session->web,
              &(struct tabs_source){.watches = &session->watches,
                                    .session = session->options->socket,
                                    .context = session,
                                    .read = read_selected,
                                    .since_ms = since_ms});
}

int64_t session_serve_pages(struct session *session)
{
    if (session->web && !session->is_web_watched)
        session->is_web_watched = !session_watch(session, web_fd(session->web), &session->web);
    return web_work(session->web, monotonic_ns());
}

void session_end_pages(struct session *session, unsigned wait_ms)
{
    if (wait_ms)
        web_finish(session->web, wait_ms);
    web_close(session->web);
    tabs_close(&session->tabs);
    pull_free(session->pull);
    session->web = NULL;
    session->pull = NULL;
}
