/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "uploader/encoding/amount.h"

enum { PLAIN_ROWS = 20, MODULE_COLUMNS = 18, NARROW = 70, WIDE = 100, WIDEST = 125 };

static bool rows_match(const char *text, const char *part)
{
    size_t length = strlen(part);

    for (; *text; text++)
        if (!strncasecmp(text, part, length))
            return true;
    return !length;
}

/* How many rows there is room for, with the last line of the screen kept free. */
static unsigned room_of(const struct screen *screen, const struct top_look *look)
{
    unsigned room = screen->height > screen->lines + 1 ? screen->height - screen->lines - 1 : 0;

    if (look->is_plain)
        room = PLAIN_ROWS;
    return look->rows && (look->is_plain || look->rows < room) ? look->rows : room;
}

/* Keeps the scroll position where there are rows. */
static void hold_scroll(struct top_look *look, size_t count, unsigned room)
{
    unsigned most = count > room ? (unsigned)(count - room) : 0;

    if (look->scroll > most)
        look->scroll = most;
}

/* ---- Functions ---- */

struct shown {
    const struct tally_row *row;
    double key;
    const char *name;
};

struct columns {
    unsigned value;
    const char *unit;
    bool is_state, has_total, has_module;
    bool has_both;   /* since the start: own and total */
    double now, all; /* sums of all that is chosen */
};

static double key_of(const struct top_look *look, const struct tally_row *row, unsigned value)
{
    if (look->sort == SORT_ALL)
        return look->by_cum ? row->cum[value] : row->own[value];
    return look->by_cum ? row->now_cum[value] : row->now_own[value];
}

/* What is the same now may differ since the start. */
static double second_key_of(const struct top_look *look, const struct tally_row *row, unsigned value)
{
    return look->by_cum ? row->cum[value] : row->own[value];
}

static int compare(const void *one, const void *other)
{
    const struct shown *a = one, *b = other;
    int order;

    if (a->key > b->key || a->key < b->key)
        return a->key > b->key ? -1 : 1;
    order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->row->module, b->row->module);
}

static bool is_shown(const struct tally_row *row, const struct top_look *look, unsigned value)
{
    const double any = row->now_cum[value] != 0 ? row->now_cum[value] : row->cum[value];

    return any != 0 && (look->program < 0 || row->program == (unsigned)look->program) &&
           rows_match(row->name, look->search);
}

/* NULL: no memory, or nothing. */
static struct shown *choose(const struct tally *tally, const struct top_look *look, unsigned value,
                            size_t *count)
{
    struct shown *shown = malloc((tally->rows + 1) * sizeof *shown);
    double most = 0;

    *count = 0;
    for (size_t i = 0; shown && i < tally->rows; i++)
        most = tally->row[i]->cum[value] > most ? tally->row[i]->cum[value] : most;
    for (size_t i = 0; shown && i < tally->rows; i++) {
        const struct tally_row *row = tally->row[i];
        double second = most > 0 ? second_key_of(look, row, value) / most : 0;
        if (is_shown(row, look, value))
            shown[(*count)++] = (struct shown){
                row, look->sort == SORT_NAME ? 0 : key_of(look, row, value) + second * 1e-9, row->name};
    }
    if (*count)
        qsort(shown, *count, sizeof *shown, compare);
    return shown;
}

static void add_up(const struct tally *tally, const struct top_look *look, struct columns *columns)
{
    for (size_t i = 0; i < tally->totals; i++) {
        if (look->program >= 0 && tally->total[i].program != (unsigned)look->program)
            continue;
        columns->now += tally->total[i].now[columns->value];
        columns->all += tally->total[i].all[columns->value];
    }
}

static void draw_function_head(struct screen *screen, const struct model *model, const struct top_look *look,
                               const struct columns *columns)
{
    char now[AMOUNT_TEXT], all[AMOUNT_TEXT], title[160];
    const char *order[] = {columns->is_state ? "now" : "the last interval", "since the start", "name"};

    amount_text(now, columns->now, columns->unit, 0);
    amount_text(all, columns->all, columns->unit, 0);
    if (columns->is_state)
        snprintf(title, sizeof title, "%s: %s now, %s at the first look", views[model->view].title, now, all);
    else if (model->has_interval)
        snprintf(title, sizeof title, "%s: %s in the last %.1f s, %s since the start",
                 views[model->view].title, now, (double)(model->frame.end_ms - model->frame.start_ms) / 1e3,
                 all);
    else
        snprintf(title, sizeof title, "%s: %s since the start", views[model->view].title, all);
    screen_line(screen, STYLE_BOLD, "%s   (order: %s%s%s%s)", title, order[look->sort],
                look->sort == SORT_NAME ? ""
                : look->by_cum          ? ", total"
                                        : ", own",
                *look->search ? ", with " : "", look->search);
    screen_line(screen, STYLE_HEAD, "%10s %7s %s%10s %7s %s %s%s", columns->is_state ? "OWN NOW" : "OWN", "",
                columns->has_total ? "     TOTAL         " : "",
                columns->is_state   ? "CHANGE"
                : columns->has_both ? "OWN, START"
                                    : "START",
                "", columns->has_both ? "TOTAL, START       " : "",
                columns->has_module ? "MODULE             " : "", "FUNCTION");
}

/* "1.23 s  12.3 % " */
static void put_share(char text[3 * AMOUNT_TEXT], double value, double whole, const char *unit)
{
    char amount[AMOUNT_TEXT], share[AMOUNT_TEXT];

    snprintf(text, 3 * AMOUNT_TEXT, "%10s %7s ", amount_text(amount, value, unit, 0),
             percent_text(share, value, whole, 0));
}

static void put_change(char text[3 * AMOUNT_TEXT], double change, const char *unit)
{
    char amount[AMOUNT_TEXT];

    snprintf(text, 3 * AMOUNT_TEXT, "%10s %7s ", amount_text(amount, change, unit, 1), "");
}

/* Those that did nothing in the interval are dim. */
static void draw_function(struct screen *screen, const struct top_look *look, const struct columns *columns,
                          const struct tally_row *row)
{
    const unsigned v = columns->value;
    char own[3 * AMOUNT_TEXT], total[3 * AMOUNT_TEXT] = "", last[3 * AMOUNT_TEXT], more[3 * AMOUNT_TEXT] = "";
    char module[4 * MODULE_COLUMNS + 8] = "";

    put_share(own, row->now_own[v], columns->now, columns->unit);
    if (columns->has_total)
        put_share(total, row->now_cum[v], columns->now, columns->unit);
    if (columns->is_state) /* since the first look */
        put_change(last, look->by_cum ? row->now_cum[v] - row->cum[v] : row->now_own[v] - row->own[v],
                   columns->unit);
    else
        put_share(last, look->by_cum && !columns->has_both ? row->cum[v] : row->own[v], columns->all,
                  columns->unit);
    if (columns->has_both)
        put_share(more, row->cum[v], columns->all, columns->unit);
    if (columns->has_module)
        screen_fit(module, sizeof module, row->module, MODULE_COLUMNS, screen->is_ascii);
    screen_line(screen, row->now_cum[v] != 0 ? STYLE_PLAIN : STYLE_DIM, "%s%s%s%s %s%s%s", own, total, last,
                more, module, columns->has_module ? " " : "", row->name);
}

void rows_draw_functions(struct screen *screen, const struct model *model, struct top_look *look)
{
    struct columns columns = {.value = views[model->view].value,
                              .unit = view_unit(model->view),
                              .is_state = view_is_state(model->view),
                              .has_total = screen->width >= NARROW,
                              .has_module = screen->width >= WIDE};
    struct shown *shown;
    unsigned room;
    size_t count;

    columns.has_both = screen->width >= WIDEST && !columns.is_state;
    add_up(&model->tally, look, &columns);
    shown = choose(&model->tally, look, columns.value, &count);
    draw_function_head(screen, model, look, &columns);
    room = room_of(screen, look);
    hold_scroll(look, count, room);
    for (size_t i = look->scroll; i < count && i < look->scroll + room; i++)
        draw_function(screen, look, &columns, shown[i].row);
    if (!count)
        screen_line(screen, STYLE_DIM,
                    *look->search ? "  no function has this in its name" : "  nothing so far");
    free(shown);
}

/* ---- Threads ---- */

static void draw_thread(struct screen *screen, const struct thread_row *row)
{
    char waited[AMOUNT_TEXT], name[96], stack[256], holder[32] = "";

    screen_fit(name, sizeof name, row->thread, 16, screen->is_ascii);
    if (row->holder)
        snprintf(holder, sizeof holder, "for %" PRId64 "  ", row->holder);
    snprintf(stack, sizeof stack, "%.80s%s%.80s%s%.80s", row->function[0], *row->function[1] ? " < " : "",
             row->function[1], *row->function[2] ? " < " : "", row->function[2]);
    screen_line(screen, STYLE_PLAIN, "%8" PRId64 " %s %-9.9s %11s  %s%s", row->tid, name, row->state,
                amount_text(waited, (double)row->waited_ns, "nanoseconds", 0), holder, stack);
}

static bool is_shown_thread(const struct thread_row *row, const struct top_look *look)
{
    bool any = rows_match(row->thread, look->search) || rows_match(row->state, look->search);

    for (int i = 0; i < 3; i++)
        any |= rows_match(row->function[i], look->search);
    return any && (look->program < 0 || row->program == (unsigned)look->program);
}

void rows_draw_threads(struct screen *screen, const struct model *model, struct top_look *look)
{
    unsigned room, skipped = 0;
    size_t count = 0;

    for (size_t i = 0; i < model->threads.rows; i++)
        count += is_shown_thread(&model->threads.row[i], look);
    screen_line(screen, STYLE_BOLD, "Threads: %zu%s%s", count, *look->search ? ", with " : "", look->search);
    screen_line(screen, STYLE_HEAD, "%8s %-16s %-9s %11s  %s", "THREAD", "NAME", "STATE", "FOR", "WHERE");
    room = room_of(screen, look);
    hold_scroll(look, count, room);
    for (size_t i = 0; i < model->threads.rows && room; i++) {
        if (!is_shown_thread(&model->threads.row[i], look) || skipped++ < look->scroll)
            continue;
        draw_thread(screen, &model->threads.row[i]);
        room--;
    }
    if (!count)
        screen_line(screen, STYLE_DIM, "  no thread is known: cprof ctl on threads");
}
