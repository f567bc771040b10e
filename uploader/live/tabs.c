/* SPDX-License-Identifier: Apache-2.0 */
#include "tabs.h"

#include <stdlib.h>
#include <string.h>

#include "uploader/base/clock.h"

#define IDLE_NS (120 * SECOND_NS)
#define WORK_NS (50 * MS_NS) /* of one answer; the rest is asked for again */
enum { ANSWER_BYTES = 4 << 20, NAME = 512 };

static void forget(struct tab *tab)
{
    if (tab->watch)
        watch_close(tab->watch);
    *tab = (struct tab){.used_ns = 0};
}

void tabs_close(struct tabs *tabs)
{
    for (unsigned i = 0; i < WATCHES_MOST; i++)
        forget(&tabs->tab[i]);
}

void tabs_tick(struct tabs *tabs, int64_t now_ns)
{
    for (unsigned i = 0; i < WATCHES_MOST; i++)
        if (tabs->tab[i].watch && now_ns - tabs->tab[i].used_ns > IDLE_NS)
            forget(&tabs->tab[i]);
}

/* Found, or a free one. NULL: there is none. */
static struct tab *find(struct tabs *tabs, const char *id)
{
    struct tab *free_one = NULL;

    for (unsigned i = 0; i < WATCHES_MOST; i++) {
        if (!strcmp(tabs->tab[i].id, id))
            return &tabs->tab[i];
        if (!tabs->tab[i].watch && !free_one)
            free_one = &tabs->tab[i];
    }
    return free_one;
}

/* Of what is wanted: ?program= and ?pid=, as pages of /debug/pprof/ have them. */
static void read_selection(struct web_request *request, struct selection *selection)
{
    const char *program = web_argument(request, "program"), *pid = web_argument(request, "pid");
    uint64_t number = 0;

    snprintf(selection->program, sizeof selection->program, "%s", program ? program : "");
    if (pid && selection_number(pid, INT32_MAX, &number))
        selection->pid = (uint32_t)number;
}

/* A new frame. The first one has the session so far. */
static bool turn(struct tabs *tabs, struct web_request *request, struct tab *tab, const char *id)
{
    const uint32_t all = (1u << KIND_IDS) - 1;
    struct watch_wanted wanted = {.kinds = all, .with_states = true};

    read_selection(request, &wanted.selection);
    tabs->source.read(tabs->source.context, &wanted.selection, 0);
    if (!tab->watch) {
        wanted.whole = all;
        wanted.past = true;
        wanted.with_states = false;
        tab->watch = watch_open(tabs->source.watches);
        if (!tab->watch)
            return false;
        strcpy(tab->id, id);
    }
    watch_turn(tab->watch, &wanted);
    return true;
}

/* Programs of one name are told apart by their services, as directories are. */
static const char *name_of(const struct programs *programs, const struct program *program, char name[NAME])
{
    bool is_alone = true;

    for (size_t i = 0; i < programs->count; i++)
        is_alone &= programs->program[i] == program || strcmp(programs->program[i]->name, program->name) != 0;
    if (is_alone)
        return program->name;
    snprintf(name, NAME, "%s@%s%s%s", program->name, program->service, *program->labels ? "," : "",
             program->labels);
    return name;
}

/* Parts, until there are enough for one answer. true: there may be more. */
static bool put_parts(const struct tabs *tabs, struct tab *tab, FILE *out)
{
    const int64_t until_ns = monotonic_ns() + WORK_NS;
    struct watch_part part;
    char name[NAME];
    size_t bytes = 0;

    for (bool is_first = true; watch_next(tab->watch, &part); is_first = false) {
        answer_file(
            out, is_first,
            &(struct answer_file){.program = name_of(tabs->source.watches->programs, part.program, name),
                                  .service = part.program->service,
                                  .kind = profile_kinds[part.kind].name,
                                  .is_whole = part.is_whole,
                                  .start_ms = part.start_ns / MS_NS,
                                  .end_ms = part.end_ns / MS_NS,
                                  .data = part.data,
                                  .size = part.size});
        free(part.data);
        bytes += part.size;
        if (bytes > ANSWER_BYTES || monotonic_ns() > until_ns)
            return true;
    }
    return false;
}

static bool put_answer(struct tabs *tabs, struct tab *tab, struct web_reply *reply)
{
    FILE *out = open_memstream(&reply->data, &reply->size);

    if (!out)
        return false;
    answer_begin(out, tabs->source.session, tabs->source.since_ms(tabs->source.context),
                 realtime_of(watch_until(tab->watch)) / MS_NS, false);
    tab->has_more = put_parts(tabs, tab, out);
    answer_end(out, tab->has_more);
    if (!fclose(out))
        return true;
    free(reply->data);
    return false;
}

static void serve(struct web_request *request, void *context)
{
    struct tabs *tabs = context;
    const char *id = web_argument(request, "tab");
    struct web_reply reply = {.type = "application/json"};
    struct tab *tab = id && answer_is_tab(id) ? find(tabs, id) : NULL;

    if (!id || !answer_is_tab(id)) {
        web_refuse(request, 400, "tab is 1 to %d letters and digits", ANSWER_TAB);
        return;
    }
    if (!tab || (!tab->has_more && !turn(tabs, request, tab, id))) {
        web_refuse(request, 503, "%d pages follow this session already, or there is no memory", WATCHES_MOST);
        return;
    }
    tab->used_ns = monotonic_ns();
    if (put_answer(tabs, tab, &reply))
        web_reply(request, &reply);
    else
        web_refuse(request, 503, "no memory for this at present");
}

void tabs_open(struct tabs *tabs, struct web *web, const struct tabs_source *source)
{
    tabs->source = *source;
    web_add_page(web,
                 &(struct web_page){
                     .path = "/debug/pprof/live", .is_unlimited = false, .serve = serve, .context = tabs});
}
