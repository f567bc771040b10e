/* SPDX-License-Identifier: Apache-2.0 */
#include "pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "pull_state.h"
#include "symbol.h"
#include "text.h"
#include "uploader/base/clock.h"
#include "uploader/encoding/utf8.h"
#include "uploader/pprof/encode.h"
#include "uploader/sinks/files/threads_text.h"
#include "uploader/upload/comments.h"

enum { SECONDS_DEFAULT = 30, SECONDS_MOST = 3600, DEBUG_MOST = 1000, LISTED = 20, LIST_BYTES = 400 };

#define OLD_NS (100 * MS_NS)

static const char text_type[] = "text/plain; charset=utf-8";

/* What was asked for. */
struct asked {
    struct pull *pull;
    const struct pull_row *row;
    struct selection selection;
    unsigned seconds, debug;
    bool with_labels;
    struct delta *delta;
};

static const struct pull_row *find_row(const char *name)
{
    for (int i = 0; i < PULL_ROWS; i++)
        if (!strcmp(pull_rows[i].name, name))
            return &pull_rows[i];
    return NULL;
}

/* ---- Parameters ---- */

/* Adds ", TEXT" as long as there is room. */
static void list_add(char list[LIST_BYTES], const char *text)
{
    size_t used = strlen(list);
    char clean[128];

    utf8_clean(clean, sizeof clean, text, true);
    if (used + strlen(clean) + 8 < LIST_BYTES)
        snprintf(list + used, LIST_BYTES - used, "%s%s", used ? ", " : "", clean);
}

static void refuse_program(const struct pull *pull, struct web_request *request)
{
    const struct programs *programs = pull->source.programs;
    char list[LIST_BYTES] = "";

    for (size_t i = 0; i < programs->count && i < LISTED; i++)
        list_add(list, programs->program[i]->name);
    web_refuse(request, 400, "no such program; there %s %s", programs->count == 1 ? "is" : "are",
               *list ? list : "none yet");
}

static void refuse_pid(const struct pull *pull, struct web_request *request)
{
    const struct pull_source *source = &pull->source;
    struct pull_process process;
    char list[LIST_BYTES] = "", text[160];

    for (size_t n = 0; n < LISTED && source->process(source->context, n, &process); n++) {
        snprintf(text, sizeof text, "%" PRIu32 " (%.100s)", process.pid, process.program->name);
        list_add(list, text);
    }
    web_refuse(request, 400, "no such process; there are %s", *list ? list : "none now");
}

static bool has_process(const struct pull *pull, const struct selection *selection)
{
    const struct pull_source *source = &pull->source;
    struct pull_process process;

    for (size_t n = 0; source->process(source->context, n, &process); n++)
        if (process.pid == selection->pid && selection_has(selection, process.program))
            return true;
    return false;
}

static bool read_selection(const struct pull *pull, struct web_request *request, struct selection *selection)
{
    const char *program = web_argument(request, "program"), *pid = web_argument(request, "pid");
    struct program *first;
    uint64_t number = 0;

    if (program && (strlen(program) >= sizeof selection->program || !*program)) {
        refuse_program(pull, request);
        return false;
    }
    snprintf(selection->program, sizeof selection->program, "%s", program ? program : "");
    if (program && !selection_count(selection, pull->source.programs, &first)) {
        refuse_program(pull, request);
        return false;
    }
    if (!pid)
        return true;
    if (selection_number(pid, INT32_MAX, &number) && number) {
        selection->pid = (uint32_t)number;
        if (has_process(pull, selection))
            return true;
    }
    refuse_pid(pull, request);
    return false;
}

/* As Go: /profile takes 0 for its default. */
static bool read_seconds(struct web_request *request, struct asked *asked)
{
    const char *text = web_argument(request, "seconds");
    uint64_t number = 0;

    if (asked->row->is_timed)
        asked->seconds = SECONDS_DEFAULT;
    if (!text || (asked->row->is_timed && !strcmp(text, "0")))
        return true;
    if (!selection_number(text, UINT64_MAX, &number) || !number) {
        web_refuse(request, 400, "invalid value for \"seconds\" - must be a positive integer");
        return false;
    }
    if (number > SECONDS_MOST) {
        web_refuse(request, 400, "\"seconds\" is %d at most", SECONDS_MOST);
        return false;
    }
    asked->seconds = (unsigned)number;
    return true;
}

static bool read_flag(struct web_request *request, const char *name, unsigned *flag)
{
    const char *text = web_argument(request, name);
    uint64_t number = 0;

    if (text && !selection_number(text, DEBUG_MOST, &number)) {
        web_refuse(request, 400, "invalid value for \"%s\" - must be 0, 1 or 2", name);
        return false;
    }
    *flag = (unsigned)number;
    return true;
}

static bool read_asked(struct web_request *request, struct asked *asked)
{
    unsigned labels = 0;

    if (!read_selection(asked->pull, request, &asked->selection) || !read_seconds(request, asked) ||
        !read_flag(request, "debug", &asked->debug) || !read_flag(request, "labels", &labels))
        return false;
    asked->with_labels = labels;
    if (asked->row->is_timed)
        asked->debug = 0; /* Go has no text of it */
    if (!asked->debug || !asked->seconds)
        return true;
    web_refuse(request, 400, "debug and seconds params are incompatible");
    return false;
}

/* ---- Answers ---- */

/* Under Go's name as Go writes it. */
static void put_threads(FILE *out, const struct asked *asked, const struct profile *profile)
{
    const bool is_go = asked->row->name[0] == 'g';

    if (asked->debug > 1)
        threads_text_write(out, profile, is_go ? THREADS_AS_GO : THREADS_EACH, asked->row->name);
    else
        threads_text_write(out, profile, THREADS_GROUPED, asked->row->name);
}

static void reply_text(struct web_request *request, const struct asked *asked, const struct profile *profile)
{
    struct web_reply reply = {.type = text_type};
    FILE *out = open_memstream(&reply.data, &reply.size);

    if (!out)
        return;
    if (asked->row->id == KIND_ID_THREADS)
        put_threads(out, asked, profile);
    else
        text_write(out, profile, asked->row->name);
    if (!fclose(out))
        web_reply(request, &reply);
}

/* Samples have no labels unless they are asked for, because Pyroscope makes a series of each. */
static void reply_binary(struct web_request *request, const struct asked *asked,
                         const struct collected *collected, int64_t duration_ns)
{
    const struct pull_row *row = asked->row;
    struct comments *comments = collected->program && !asked->delta ? malloc(sizeof *comments) : NULL;
    const int64_t now_ns = clock_ns(CLOCK_REALTIME);
    struct profile_meta meta = {
        .time_ns = row->is_timed ? now_ns - duration_ns : now_ns,
        .duration_ns = duration_ns,
        .period = collected->period,
        .comments = comments ? comments->line : NULL,
        .program = collected->program ? collected->program->name : NULL,
        .with_labels = asked->with_labels,
        .unnamed = PROFILE_UNNAMED_LEFT_BY_ID,
        .kind = &row->kind,
    };
    struct web_reply reply = {.type = "application/octet-stream", .filename = row->name};
    char filename[64];

    if (comments)
        comments_make(comments, collected->program, true,
                      collected->program->alive ? monotonic_ns() - collected->program->start_ns
                                                : collected->program->end_ns - collected->program->start_ns);
    snprintf(filename, sizeof filename, "%s-delta", row->name);
    if (asked->delta && !row->is_timed)
        reply.filename = filename;
    if (!profile_encode(collected->profile, &meta, (uint8_t **)&reply.data, &reply.size))
        web_reply(request, &reply);
    free(comments);
}

static void no_memory(struct web_request *request)
{
    web_refuse(request, 503, "no memory for this at present");
}

static void reply_now(struct web_request *request, struct asked *asked)
{
    struct collected collected;

    if (!collect_now(asked->pull->source.programs, &asked->selection, asked->row->id, &collected)) {
        no_memory(request);
        return;
    }
    if (asked->debug)
        reply_text(request, asked, collected.profile);
    else
        reply_binary(request, asked, &collected, 0);
    collected_free(&collected);
}

static void asked_free(void *state)
{
    struct asked *asked = state;
    delta_free(asked->delta);
    free(asked);
}

/* Spans begin and end when they are to. What has no end may be a moment old, so that many requests cost little. */
static void read_new(const struct pull *pull, const struct selection *selection, int64_t old_ns)
{
    pull->source.read(pull->source.context, selection, old_ns);
}

/* N seconds are over. */
static void reply_delta(struct web_request *request, void *state)
{
    struct asked *asked = state;
    struct collected collected;

    read_new(asked->pull, &asked->selection, 0);
    if (delta_end(asked->delta, &collected))
        reply_binary(request, asked, &collected, monotonic_ns() - asked->delta->start_ns);
    else
        no_memory(request);
    asked_free(asked);
}

static void begin_delta(struct web_request *request, const struct asked *asked)
{
    struct asked *kept = malloc(sizeof *kept);

    if (kept) {
        *kept = *asked;
        kept->delta = delta_begin(&asked->pull->deltas, &asked->selection, asked->row->id);
    }
    if (!kept || !kept->delta) {
        free(kept);
        no_memory(request);
        return;
    }
    web_wait(request, &(struct web_wait){.until_ns = kept->delta->start_ns + asked->seconds * SECOND_NS,
                                         .done = reply_delta,
                                         .cancel = asked_free,
                                         .state = kept});
}

static void serve_profile(struct pull *pull, struct web_request *request, const struct pull_row *row)
{
    struct asked asked = {.pull = pull, .row = row};

    if (!read_asked(request, &asked))
        return;
    read_new(pull, &asked.selection, asked.seconds ? 0 : OLD_NS);
    if (asked.seconds)
        begin_delta(request, &asked);
    else
        reply_now(request, &asked);
}

static void serve(struct web_request *request, void *context)
{
    struct pull *pull = context;
    const char *name = web_path(request);
    const struct pull_row *row = find_row(name);
    struct selection selection = {.pid = 0};

    if (row) {
        serve_profile(pull, request, row);
        return;
    }
    if (*name && strcmp(name, "cmdline") != 0) {
        web_refuse(request, 404, "Unknown profile");
        return;
    }
    if (!read_selection(pull, request, &selection))
        return;
    if (*name) {
        cmdline_serve(pull, request, &selection);
    } else {
        read_new(pull, &selection, OLD_NS);
        index_serve(pull, request, &selection);
    }
}

static void serve_symbol(struct web_request *request, void *context)
{
    struct selection selection = {.pid = 0};

    if (read_selection(context, request, &selection))
        symbol_serve(context, request, &selection);
}

static void redirect(struct web_request *request, void *context)
{
    struct web_reply reply = {.status = 307, .type = "text/html; charset=utf-8"};
    char *location = NULL;

    (void)context;
    if (asprintf(&location, "/debug/pprof/%s", web_query(request)) < 0)
        return;
    reply.location = location;
    reply.data = strdup("<a href=\"/debug/pprof/\">Temporary Redirect</a>.\n\n");
    reply.size = reply.data ? strlen(reply.data) : 0;
    web_reply(request, &reply);
    free(location);
}

struct pull *pull_new(struct web *web, const struct pull_source *source)
{
    struct pull *pull = web ? calloc(1, sizeof *pull) : NULL;

    if (!pull)
        return NULL;
    pull_rows_init();
    pull->source = *source;
    pull->deltas.programs = source->programs;
    web_add_page(web, &(struct web_page){.path = "/", .serve = redirect});
    web_add_page(web, &(struct web_page){.path = "/debug/pprof", .serve = redirect});
    web_add_page(web, &(struct web_page){.path = "/debug/pprof/", .serve = serve, .context = pull});
    web_add_page(web, &(struct web_page){.path = "/debug/pprof/symbol",
                                         .methods = WEB_GET | WEB_POST,
                                         .serve = serve_symbol,
                                         .context = pull});
    return pull;
}

void pull_free(struct pull *pull)
{
    free(pull);
}
