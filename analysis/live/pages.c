/* SPDX-License-Identifier: Apache-2.0 */
#include "pages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/page/page.h"

#define IDLE_NS (120 * SECOND_NS)
enum { ANSWER_MS = 15000, ANSWER_BYTES = 4 << 20, NAME = 512, ERROR = 256 };

/* ---- Pages that are open ---- */

static void forget(struct live_tab *tab)
{
    if (tab->fd >= 0)
        close(tab->fd);
    frame_free(&tab->frame);
    *tab = (struct live_tab){.fd = -1};
}

/* Found, or a new one in place of one that was closed. NULL: there are too many. */
static struct live_tab *find(struct live_pages *pages, const char *id)
{
    const int64_t now_ns = monotonic_ns();
    struct live_tab *place = NULL;

    for (unsigned i = 0; i < PAGES_MOST; i++) {
        struct live_tab *tab = &pages->tab[i];
        if (*tab->id && !strcmp(tab->id, id))
            return tab;
        if (*tab->id && now_ns - tab->used_ns > IDLE_NS)
            forget(tab);
        if (!*tab->id && !place)
            place = tab;
    }
    if (place)
        snprintf(place->id, sizeof place->id, "%s", id);
    return place;
}

/* A new frame; the first one of a connection has the session so far. false: the session has gone. */
static bool turn(const struct live_pages *pages, struct live_tab *tab)
{
    const uint32_t all = (1u << KIND_IDS) - 1;
    struct link_wanted wanted = pages->wanted;
    char error[ERROR] = "";

    frame_free(&tab->frame);
    tab->sent = 0;
    wanted.kinds = all;
    wanted.with_states = tab->fd >= 0;
    wanted.whole = tab->fd < 0 ? all : 0;
    wanted.past = tab->fd < 0;
    if (tab->fd < 0)
        tab->fd = link_open(pages->session);
    if (tab->fd >= 0 && !link_ask(tab->fd, &wanted) &&
        link_await(tab->fd, &tab->frame, ANSWER_MS, error) == 1)
        return true;
    if (tab->fd >= 0)
        close(tab->fd);
    tab->fd = -1;
    frame_free(&tab->frame);
    return false;
}

/* ---- Answers ---- */

/* Programs of one name are told apart by their services, as directories are. */
static const char *name_of(const struct frame *frame, const struct frame_program *program, char name[NAME])
{
    bool is_alone = true;

    for (size_t i = 0; i < frame->programs; i++)
        is_alone &= &frame->program[i] == program || strcmp(frame->program[i].name, program->name) != 0;
    if (is_alone)
        return program->name;
    snprintf(name, NAME, "%s@%s%s%s", program->name, program->service, *program->labels ? "," : "",
             program->labels);
    return name;
}

static void put_parts(struct live_tab *tab, FILE *out)
{
    const struct frame *frame = &tab->frame;
    size_t bytes = 0;
    char name[NAME];

    for (bool is_first = true; tab->sent < frame->parts && bytes < ANSWER_BYTES; tab->sent++) {
        const struct frame_part *part = &frame->part[tab->sent];
        const struct frame_program *program = frame_find(frame, part->program);
        if (!program)
            continue;
        answer_file(out, is_first,
                    &(struct answer_file){.program = name_of(frame, program, name),
                                          .service = program->service,
                                          .kind = profile_kinds[part->kind].name,
                                          .is_whole = part->is_whole,
                                          .start_ms = part->start_ms,
                                          .end_ms = part->end_ms,
                                          .data = part->data,
                                          .size = part->size});
        is_first = false;
        bytes += part->size;
    }
}

static void reply_frame(struct live_pages *pages, struct web_request *request, struct live_tab *tab)
{
    struct web_reply reply = {.type = "application/json"};
    FILE *out = open_memstream(&reply.data, &reply.size);

    if (out) {
        answer_begin(out, pages->session, tab->frame.session_ms,
                     tab->frame.end_ms ? tab->frame.end_ms : clock_ns(CLOCK_REALTIME) / MS_NS,
                     pages->has_ended);
        put_parts(tab, out);
        answer_end(out, tab->sent < tab->frame.parts);
    }
    if (out && !fclose(out)) {
        web_reply(request, &reply);
        return;
    }
    free(reply.data);
    web_refuse(request, 503, "no memory for this at present");
}

static void serve_frame(struct live_pages *pages, struct web_request *request)
{
    const char *id = web_argument(request, "tab");
    struct live_tab *tab = id && answer_is_tab(id) ? find(pages, id) : NULL;

    if (!id || !answer_is_tab(id)) {
        web_refuse(request, 400, "tab is 1 to %d letters and digits", ANSWER_TAB);
        return;
    }
    if (!tab) {
        web_refuse(request, 503, "%d pages follow this session already", PAGES_MOST);
        return;
    }
    tab->used_ns = monotonic_ns();
    if (tab->sent >= tab->frame.parts)
        pages->has_ended = !turn(pages, tab);
    reply_frame(pages, request, tab);
}

static void serve_page(struct web_request *request)
{
    static const struct page_head head = {.live = "./"};
    struct web_reply reply = {.type = "text/html; charset=utf-8"};
    FILE *out = open_memstream(&reply.data, &reply.size);
    struct page page;
    int rc = -ENOMEM;

    if (out) {
        page_begin(&page, &head, out);
        rc = page_end(&page, NULL);
    }
    if (out && !fclose(out) && !rc) {
        web_reply(request, &reply);
        return;
    }
    free(reply.data);
    web_refuse(request, 503, "no memory for this at present");
}

static void serve(struct web_request *request, void *context)
{
    if (!*web_path(request))
        serve_page(request);
    else if (!strcmp(web_path(request), "live"))
        serve_frame(context, request);
    else
        web_refuse(request, 404, "there is no such page");
}

int live_pages_open(struct live_pages *pages, struct web *web, const char *session,
                    const struct link_wanted *wanted)
{
    unsigned char secret[PAGES_SECRET / 2];

    *pages = (struct live_pages){.session = session, .wanted = *wanted};
    for (unsigned i = 0; i < PAGES_MOST; i++)
        pages->tab[i].fd = -1;
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return -EIO;
    pages->path[0] = '/';
    for (size_t i = 0; i < sizeof secret; i++)
        snprintf(pages->path + 1 + 2 * i, 3, "%02x", secret[i]);
    strcat(pages->path, "/");
    web_add_page(web, &(struct web_page){.path = pages->path, .serve = serve, .context = pages});
    return 0;
}

void live_pages_close(struct live_pages *pages)
{
    for (unsigned i = 0; i < PAGES_MOST; i++)
        forget(&pages->tab[i]);
}
