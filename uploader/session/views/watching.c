/* SPDX-License-Identifier: Apache-2.0 */
#include "watching.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "listing.h"
#include "uploader/base/clock.h"
#include "uploader/process/proc_text.h"
#include "uploader/upload/comments.h"
#include "uploader/upload/upload.h"

/* client->watch */
struct watcher {
    struct watch *watch;
    int64_t cost_ns;      /* CPU time that this frame took so far */
    int64_t last_cost_ns; /* the one before */
};

static int64_t own_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t own_memory(void)
{
    unsigned long long resident = 0;
    char statm[128];

    if (proc_read("/proc/self/statm", statm, sizeof statm) <= 0 || sscanf(statm, "%*u %llu", &resident) != 1)
        return 0;
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static void read_members(struct session *session, const struct control_request *request)
{
    for (size_t i = 0; i < session->members; i++) {
        struct member *member = session->member[i];
        if (!listing_has(request, member))
            continue;
        if (request->states)
            member_drain(member);
        else
            member_drain_sums(member);
        member_count(member);
    }
    for (size_t i = 0; i < session->programs.count; i++)
        program_settle_short_lived(session->programs.program[i]);
    keeper_touch(0);
}

/* ---- Lines ---- */

struct loss_lines {
    FILE *out;
    const char *whose; /* a program's number, or "" */
};

static void put_loss(uint64_t n, const char *text, void *context)
{
    const struct loss_lines *lines = context;
    fprintf(lines->out, "loss\t%s\t%" PRIu64 "\t%s\n", lines->whose, n, text);
}

static void put_program(const struct program *program, FILE *out)
{
    const struct resident *resident = &program->resident;
    struct loss_lines losses = {.out = out};
    char lowered[BUDGET_TEXT] = "", number[16];

    if (!budget_text(&program->budget, lowered))
        *lowered = 0;
    fprintf(out,
            "program\t%u\t%s\t%s\t%s\t%zu\t%" PRIu64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64
            "\t%" PRId64 "\t%s\n",
            program->number, program->name, program->service, program->labels, program->alive,
            program->cpu_ns, budget_cost(&program->budget),
            resident->anonymous + resident->file + resident->shared, resident->blocks, resident->objects,
            realtime_of(program->start_ns) / MS_NS, lowered);
    snprintf(number, sizeof number, "%u", program->number);
    losses.whose = number;
    program_each_loss(&program->counts, put_loss, &losses);
}

static void put_head(struct session *session, const struct client *client, FILE *out)
{
    const struct watcher *watcher = client->watch;
    struct loss_lines losses = {.out = out, .whose = ""};

    fprintf(out, "session\t%s\t%d\t%s\t%" PRId64 "\t%s\n", session->options->socket, (int)getpid(),
            CPROF_VERSION,
            atomic_load_explicit(&session->keeper.board->start_ns, memory_order_relaxed) / MS_NS,
            gate_text(&session->gate));
    fprintf(out, "frame\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n",
            realtime_of(watch_since(watcher->watch)) / MS_NS,
            realtime_of(watch_until(watcher->watch)) / MS_NS, clock_ns(CLOCK_PROCESS_CPUTIME_ID),
            own_memory(), watcher->last_cost_ns);
    for (size_t i = 0; i < session->programs.count; i++)
        put_program(session->programs.program[i], out);
    programs_each_ceiling(&session->programs, put_loss, &losses);
    session_put_processes(session, &client->request, out);
    watch_put_totals(watcher->watch, out);
}

/* ---- Frames ---- */

static bool has_process(const struct session *session, const struct control_request *request)
{
    for (size_t i = 0; i < session->members; i++)
        if (listing_has(request, session->member[i]))
            return true;
    return false;
}

/* false: it is answered. A program may have ended. */
static bool is_there(struct session *session, struct client *client, const struct selection *selection)
{
    struct program *first;

    if (selection->pid && !has_process(session, &client->request))
        client_answer(&session->clients, client, CLIENT_NOBODY, NULL, 0, "session %s has no process %d",
                      session->options->socket, (int)selection->pid);
    else if (!selection_count(selection, &session->programs, &first) && *selection->program)
        client_answer(&session->clients, client, CLIENT_NOBODY, NULL, 0, "session %s has no program %s",
                      session->options->socket, selection->program);
    else
        return true;
    return false;
}

/* false: it is answered. */
static bool open_watch(struct session *session, struct client *client)
{
    struct watcher *watcher = calloc(1, sizeof *watcher);

    if (watcher && (watcher->watch = watch_open(&session->watches))) {
        client->watch = watcher;
        return true;
    }
    free(watcher);
    client_answer(&session->clients, client, CLIENT_FAILED, NULL, 0,
                  "there is no memory for this, or %d others watch already", WATCHES_MOST);
    return false;
}

/* The profile types have the numbers of the kinds. */
_Static_assert((int)PROFILE_CPU == KIND_ID_CPU && (int)PROFILE_THREADCREATE == KIND_ID_THREADCREATE &&
                   (int)PROFILES == KIND_IDS,
               "types and kinds are the same");

void session_answer_watch(struct session *session, struct client *client)
{
    const struct control_request *request = &client->request;
    struct watch_wanted wanted = {.kinds = request->types,
                                  .whole = request->whole,
                                  .with_states = request->states,
                                  .past = request->past};
    const int64_t began_ns = own_ns();
    struct watcher *watcher;
    size_t size = 0;
    char *text = NULL;
    FILE *out;

    snprintf(wanted.selection.program, sizeof wanted.selection.program, "%s", request->program);
    wanted.selection.pid = (uint32_t)request->pid;
    if (!client->watch && !is_there(session, client, &wanted.selection))
        return;
    read_members(session, request); /* before the first one is open, which begins here */
    if (!client->watch && !open_watch(session, client))
        return;
    watcher = client->watch;
    watch_turn(watcher->watch, &wanted);
    out = open_memstream(&text, &size);
    if (out)
        put_head(session, client, out);
    if (!out || fclose(out)) {
        free(text);
        client_answer(&session->clients, client, CLIENT_FAILED, NULL, 0,
                      "the uploader has no memory for the answer");
        return;
    }
    watcher->last_cost_ns = watcher->cost_ns;
    watcher->cost_ns = own_ns() - began_ns;
    client_answer(&session->clients, client, CLIENT_DONE, text, size, NULL);
}

static void ask(void *context, struct client *client)
{
    session_answer_watch(context, client);
}

/* "PROGRAM KIND whole|interval START END BYTES", tabs between. */
static bool more(void *context, struct client *client)
{
    struct watcher *watcher = client->watch;
    const int64_t began_ns = own_ns();
    struct watch_part part;
    char line[CLIENT_LINE];
    bool any = watch_next(watcher->watch, &part);

    (void)context;
    if (any) {
        snprintf(line, sizeof line, "%u\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%zu", part.program->number,
                 profile_kinds[part.kind].name, part.is_whole ? "whole" : "interval", part.start_ns / MS_NS,
                 part.end_ns / MS_NS, part.size);
        client_part(client, line, (char *)part.data, part.size);
    }
    watcher->cost_ns += own_ns() - began_ns;
    return any;
}

static void gone(void *context, struct client *client)
{
    struct watcher *watcher = client->watch;

    (void)context;
    watch_close(watcher->watch);
    free(watcher);
    client->watch = NULL;
}

void session_open_watching(struct session *session)
{
    static const struct client_ops ops = {.ask = ask, .more = more, .gone = gone};

    session->watches.programs = &session->programs;
    session->clients.ops = &ops;
    session->clients.context = session;
}
