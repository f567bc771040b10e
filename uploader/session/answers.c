/* SPDX-License-Identifier: Apache-2.0 */
#include "answers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controls.h"
#include "rounds.h"
#include "uploader/base/clock.h"
#include "uploader/control/clients.h"
#include "uploader/options/log.h"
#include "uploader/session/views/listing.h"
#include "uploader/session/views/watching.h"
#include "uploader/sinks/files/threads_text.h"
#include "uploader/upload/upload.h"

/* A text that grows. */
struct ctl_answer {
    FILE *out; /* NULL: no memory */
    char *text;
    size_t size;
};

static void begin(struct ctl_answer *answer)
{
    *answer = (struct ctl_answer){0};
    answer->out = open_memstream(&answer->text, &answer->size);
}

static void finish(struct session *session, struct client *client, struct ctl_answer *answer,
                   enum client_status status)
{
    bool failed = !answer->out || ferror(answer->out);

    if (answer->out)
        failed |= fclose(answer->out) != 0;
    if (failed) {
        free(answer->text);
        client_answer(&session->clients, client, CLIENT_FAILED, NULL, 0,
                      "the uploader has no memory for the answer");
        return;
    }
    client_answer(&session->clients, client, status, answer->text, answer->size, NULL);
}

static size_t count_meant(const struct session *session, const struct control_request *request)
{
    size_t count = 0;

    for (size_t i = 0; i < session->members; i++)
        count += listing_has(request, session->member[i]);
    return count;
}

/* true: the answer is that there is nobody. */
static bool nobody_is_meant(struct session *session, struct client *client)
{
    const struct control_request *request = &client->request;

    if (count_meant(session, request) || (!request->pid && !*request->program))
        return false;
    if (request->pid)
        client_answer(&session->clients, client, CLIENT_NOBODY, NULL, 0, "session %s has no process %d",
                      session->options->socket, request->pid);
    else
        client_answer(&session->clients, client, CLIENT_NOBODY, NULL, 0, "session %s has no program %s",
                      session->options->socket, request->program);
    return true;
}

/* What was said, for the log and the profiles' comments. */
static void say(const struct control_request *request, char *text, size_t size)
{
    int used = snprintf(text, size, "%s", control_commands[request->command]);

    for (int type = 0; type < PROFILES && used > 0 && (size_t)used < size; type++) {
        if (request->change.rates >> type & 1)
            used += snprintf(
                text + used, size - (size_t)used, " %s=%llu", control_types[type],
                (unsigned long long)control_rate_number(&request->change.to, (enum profile_type)type));
        else if (request->types >> type & 1 && request->types != PROFILES_READY)
            used += snprintf(text + used, size - (size_t)used, " %s", control_types[type]);
    }
    if (used > 0 && (size_t)used < size && request->types == PROFILES_READY)
        used += snprintf(text + used, size - (size_t)used, " all");
    if (used > 0 && (size_t)used < size && request->pid)
        snprintf(text + used, size - (size_t)used, ", process %d", request->pid);
    else if (used > 0 && (size_t)used < size && *request->program)
        snprintf(text + used, size - (size_t)used, ", program %.64s", request->program);
}

static void answer_switch(struct session *session, struct client *client)
{
    const struct control_request *request = &client->request;
    char said[NOTE_TEXT - 48], note[NOTE_TEXT];
    struct ctl_answer answer;

    if (request->pid && nobody_is_meant(session, client))
        return;
    if (request->command == CONTROL_RESET) {
        rules_reset(session->rules, request);
    } else if (rules_add(session->rules, request) == -ENOSPC) {
        client_answer(&session->clients, client, CLIENT_FAILED, NULL, 0,
                      "there are %d changes already: take some back with reset", RULES_MOST);
        return;
    }
    say(request, said, sizeof said);
    snprintf(note, sizeof note, "%s (cprof ctl, user %u, process %d)", said, (unsigned)client->uid,
             (int)client->pid);
    log_event("%s", note);
    programs_note(&session->programs, note);
    controls_apply(session, monotonic_ns(), true);
    begin(&answer);
    if (answer.out) {
        fprintf(answer.out, "%s: %zu process%s at present\n", said, count_meant(session, request),
                count_meant(session, request) == 1 ? "" : "es");
        if (session->gate.is_killed)
            fprintf(answer.out, "%s exists, so nothing is recorded until it is gone\n",
                    session->options->kill_switch);
    }
    finish(session, client, &answer, CLIENT_DONE);
}

static void answer_write(struct session *session, struct client *client)
{
    struct ctl_answer answer;

    if (!*session->options->out) {
        client_answer(&session->clients, client, CLIENT_WRONG, NULL, 0,
                      "profiles go to a server only: set CPROF_OUT for files, or say flush");
        return;
    }
    if (nobody_is_meant(session, client))
        return;
    session_round(session);
    begin(&answer);
    for (size_t i = 0; answer.out && i < session->programs.count; i++) {
        const struct program *program = session->programs.program[i];
        if (program->path && (!*client->request.program || !strcmp(program->name, client->request.program) ||
                              !strcmp(program->service, client->request.program)))
            fprintf(answer.out, "%s\n", program->path);
    }
    finish(session, client, &answer, CLIENT_DONE);
}

static void dump_program(const struct session *session, const struct control_request *request,
                         const struct program *program, FILE *out)
{
    bool any = false;

    for (size_t i = 0; i < session->members && !any; i++)
        any = session->member[i]->target->program == program && listing_has(request, session->member[i]);
    if (any && program->merged[KIND_ID_THREADS])
        threads_text_write_of(out, program->merged[KIND_ID_THREADS], (uint32_t)request->pid, THREADS_EACH,
                              "threads");
}

static void answer_dump(struct session *session, struct client *client)
{
    const struct control_request *request = &client->request;
    size_t recorded = 0;
    struct ctl_answer answer;

    if (nobody_is_meant(session, client))
        return;
    for (size_t i = 0; i < session->members; i++)
        if (listing_has(request, session->member[i])) {
            member_drain(session->member[i]);
            recorded += session->member[i]->target->profiles >> PROFILE_THREADS & 1;
        }
    if (!recorded) {
        client_answer(&session->clients, client, CLIENT_FAILED, NULL, 0,
                      "threads are not recorded at present: cprof ctl on threads");
        return;
    }
    begin(&answer);
    for (size_t i = 0; answer.out && i < session->programs.count; i++)
        if (session->programs.program[i]->alive)
            dump_program(session, request, session->programs.program[i], answer.out);
    finish(session, client, &answer, CLIENT_DONE);
}

/* Of all sinks that push. */
struct pushed {
    unsigned sinks;
    uint64_t taken, dropped, waiting; /* requests, profiles, profiles */
};

static struct pushed pushed_so_far(const struct session *session)
{
    struct pushed pushed = {0};

    for (size_t i = 0; i < session->programs.sinks; i++) {
        const struct sink *sink = session->programs.sink[i];
        struct sink_figures figures = {0};
        if (!sink->ops->get_figures)
            continue;
        sink->ops->get_figures(sink, &figures);
        pushed.sinks++;
        pushed.taken += figures.requests[SINK_TAKEN];
        pushed.waiting += figures.queue_profiles + figures.spool_files;
        for (int why = 0; why < SINK_DROP_COUNT; why++)
            pushed.dropped += figures.dropped[why];
    }
    return pushed;
}

static void answer_flush(struct session *session, struct client *client)
{
    struct pushed before = pushed_so_far(session);

    if (!before.sinks) {
        client_answer(&session->clients, client, CLIENT_WRONG, NULL, 0,
                      "there is no server to push to (CPROF_SERVER); cprof ctl write writes files");
        return;
    }
    client->mark[0] = before.taken;
    client->mark[1] = before.dropped;
    session_round(session);
    session_send(session, 0); /* the answer comes when all is sent */
}

static void answer_text(struct session *session, struct client *client)
{
    struct ctl_answer answer;

    if (client->request.command == CONTROL_LIST && nobody_is_meant(session, client))
        return;
    begin(&answer);
    if (answer.out && client->request.command == CONTROL_LIST)
        session_list(session, &client->request, answer.out);
    else if (answer.out)
        session_status(session, &client->request, answer.out);
    finish(session, client, &answer, CLIENT_DONE);
}

static void answer_flushed(struct session *session, struct client *client, const struct pushed *pushed)
{
    uint64_t dropped = pushed->dropped - client->mark[1];
    struct ctl_answer answer;

    if (dropped) {
        client_answer(&session->clients, client, CLIENT_FAILED, NULL, 0,
                      "%" PRIu64 " profile%s will not be sent; the log says why", dropped,
                      dropped == 1 ? "" : "s");
        return;
    }
    begin(&answer);
    if (answer.out)
        fprintf(answer.out, "everything is sent: %" PRIu64 " request%s\n", pushed->taken - client->mark[0],
                pushed->taken - client->mark[0] == 1 ? "" : "s");
    finish(session, client, &answer, CLIENT_DONE);
}

void session_answer_flushes(struct session *session, bool is_last)
{
    struct client *client;

    for (unsigned at = 0; (client = clients_waiting(&session->clients, CONTROL_FLUSH, &at)); at++) {
        struct pushed pushed = pushed_so_far(session);
        if (!session->queued && !pushed.waiting)
            answer_flushed(session, client, &pushed);
        else if (is_last || monotonic_ns() >= client->until_ns)
            client_answer(&session->clients, client, CLIENT_FAILED, NULL, 0,
                          "%" PRIu64 " profiles are not sent yet; the log says why. They are tried again",
                          pushed.waiting);
    }
}

void session_answer(struct session *session, struct client *client)
{
    switch (client->request.command) {
    case CONTROL_LIST:
    case CONTROL_STATUS:
        answer_text(session, client);
        return;
    case CONTROL_ON:
    case CONTROL_OFF:
    case CONTROL_RATE:
    case CONTROL_RESET:
        answer_switch(session, client);
        return;
    case CONTROL_WRITE:
        answer_write(session, client);
        return;
    case CONTROL_DUMP:
        answer_dump(session, client);
        return;
    case CONTROL_FLUSH:
        answer_flush(session, client);
        return;
    case CONTROL_WATCH:
        session_answer_watch(session, client);
        return;
    case CONTROL_COMMANDS:
        break;
    }
    client_answer(&session->clients, client, CLIENT_WRONG, NULL, 0, "there is no such command");
}
