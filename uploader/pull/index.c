/* SPDX-License-Identifier: Apache-2.0 */
#include "index.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/page/page.h"
#include "uploader/pprof/encode.h"
#include "uploader/upload/upload.h"

enum {
    PROGRAMS_LISTED = 50,
    MOST_BYTES = 8 << 20, /* of all profiles in the page, compressed */
};

/* Names are anybody's. */
static void put_escaped(FILE *out, const char *text)
{
    for (; *text; text++)
        if (strchr("<>&\"'", *text))
            fprintf(out, "&#%d;", *text);
        else
            putc(*text, out);
}

static void put_in_url(FILE *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    for (; *text; text++)
        if (strchr(plain, *text))
            putc(*text, out);
        else
            fprintf(out, "%%%02X", (unsigned char)*text);
}

/* What stands behind the question mark to choose the same again: "?", "?program=app&". */
static void put_choice(FILE *out, const struct selection *selection, const char *end)
{
    putc('?', out);
    if (*selection->program) {
        fputs("program=", out);
        put_in_url(out, selection->program);
        fputs("&amp;", out);
    }
    if (selection->pid)
        fprintf(out, "pid=%" PRIu32 "&amp;", selection->pid);
    fputs(end, out);
}

/* Of threads: how many; of all else: how many stacks. */
static int64_t count_of(const struct programs *programs, const struct selection *selection,
                        enum profile_kind_id id)
{
    bool is_state = profile_kinds[id].values == 1;
    int64_t count = 0;

    for (size_t i = 0; i < programs->count; i++) {
        const struct profile *profile = programs->program[i]->merged[id];
        if (profile && selection_has(selection, programs->program[i]))
            count += is_state ? profile_total(profile, 0) : (int64_t)profile_count(profile);
    }
    return count;
}

static void put_row(FILE *out, const struct pull_row *row, const struct selection *selection, int64_t count)
{
    fprintf(out, "<tr><td><a href=\"%s", row->name);
    put_choice(out, selection, row->is_timed ? "seconds=5" : "debug=1");
    fprintf(out, "\">%s</a></td><td>%" PRId64 "</td><td>", row->name, count);
    fprintf(out, "<a href=\"%s", row->name);
    put_choice(out, selection, "");
    fprintf(out, "\">%s</a>", row->is_timed ? "30 s" : row->kind.values == 1 ? "now" : "so far");
    if (!row->is_timed) {
        fprintf(out, " <a href=\"%s", row->name);
        put_choice(out, selection, "seconds=10");
        fputs("\">10 s</a>", out);
    }
    fprintf(out, "</td><td>%s</td></tr>\n", row->help);
}

static void put_programs(FILE *out, const struct programs *programs, const struct selection *selection)
{
    if (programs->count < 2)
        return;
    fputs("<p style=\"padding:0 12px\">Program: ", out);
    fputs(*selection->program ? "<a href=\"./\">all</a>" : "<b>all</b>", out);
    for (size_t i = 0; i < programs->count && i < PROGRAMS_LISTED; i++) {
        const char *name = programs->program[i]->name;
        fputs(" · <a href=\"?program=", out);
        put_in_url(out, name);
        fputs("\">", out);
        put_escaped(out, name);
        fputs("</a>", out);
    }
    fputs("</p>\n", out);
}

static void put_live(FILE *out, const struct pull *pull, const struct selection *selection)
{
    const struct programs *programs = pull->source.programs;

    fputs("<section class=\"card live\"><details open><summary>Profiles of /debug/pprof/, for go tool pprof "
          "and scrapers</summary>\n"
          "<table>\n",
          out);
    for (int i = 0; i < PULL_ROWS; i++)
        put_row(out, &pull_rows[i], selection, count_of(programs, selection, pull_rows[i].id));
    fputs("<tr><td><a href=\"cmdline\">cmdline</a></td><td></td><td></td><td>the command line</td></tr>\n"
          "<tr><td><a href=\"goroutine?debug=2\">all threads</a></td><td></td><td></td><td>one by "
          "one</td></tr>\n"
          "</table>\n",
          out);
    put_programs(out, programs, selection);
    fputs("</details></section>\n", out);
}

/* NULL: no memory. */
static char *make_live(const struct pull *pull, const struct selection *selection)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    put_live(out, pull, selection);
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}

/* A page with what there is room for. */
struct filling {
    struct page page;
    struct page_left_out left_out;
    size_t room;
};

/* 0 or negative errno; *fits is cleared if there was no room. */
static int add_profile(struct filling *filling, const struct upload *upload, unsigned id, bool *fits)
{
    const struct profile_meta meta = {
        .time_ns = upload->session_start_ns,
        .duration_ns = upload->end_ns - upload->session_start_ns,
        .period = upload->period[id],
        .comments = upload->merged_comments,
        .program = upload->program,
        .with_labels = true,
    };
    struct page_file file = {.program = upload->program,
                             .service = upload->service,
                             .kind = profile_kinds[id].name,
                             .name = profile_kinds[id].name};
    uint8_t *data;
    int error = profile_encode(upload->merged[id], &meta, &data, &file.size);

    if (error)
        return error;
    file.data = data;
    if (file.size <= filling->room) {
        page_add(&filling->page, &file);
        filling->room -= file.size;
    } else {
        *fits = false;
    }
    free(data);
    return 0;
}

static int add_program(struct filling *filling, const struct upload *upload)
{
    bool fits = true;
    int error = 0;

    for (unsigned id = 0; id < KIND_IDS && !error; id++)
        if (upload->merged[id])
            error = add_profile(filling, upload, id, &fits);
    filling->left_out.programs += !fits;
    return error;
}

static int fill(FILE *out, const char *html, const struct programs *programs,
                const struct selection *selection)
{
    const struct page_head head = {.html = html, .live = "./"};
    struct description *description = malloc(sizeof *description);
    struct filling filling = {.room = MOST_BYTES};
    int error = description ? 0 : -ENOMEM, written;

    page_begin(&filling.page, &head, out);
    for (size_t i = 0; !error && i < programs->count; i++)
        if (selection_has(selection, programs->program[i]) &&
            program_describe(programs->program[i], PROGRAM_MERGED, description))
            error = add_program(&filling, &description->upload);
    free(description);
    written = page_end(&filling.page, &filling.left_out);
    return error ? error : written;
}

void index_serve(struct pull *pull, struct web_request *request, const struct selection *selection)
{
    struct web_reply reply = {.type = "text/html; charset=utf-8"};
    char *live = make_live(pull, selection);
    FILE *out = live ? open_memstream(&reply.data, &reply.size) : NULL;
    int error = out ? fill(out, live, pull->source.programs, selection) : -ENOMEM;

    if (out && fclose(out))
        error = -ENOMEM;
    if (!error)
        web_reply(request, &reply);
    else
        free(reply.data);
    free(live);
}
