/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "head.h"
#include "rows.h"

static const char help[][2][96] = {
    {"t T, 1 to 9", "the next or the previous type, or the type of that place in the line"},
    {"p P", "the next or the previous program; the first one is all of them"},
    {"c", "order by a function's own value, or by that with all it calls"},
    {"s", "order by the last interval, by the time since the start, or by name"},
    {"/", "search: only functions whose names have the text; Esc ends it"},
    {"up down, j k", "scroll; PgUp, PgDn and Home do, too"},
    {"space", "pause, and go on"},
    {"+ -", "a longer or a shorter interval"},
    {"h ?", "this help"},
    {"q", "quit"},
};

static void draw_help(struct screen *screen)
{
    screen_line(screen, STYLE_BOLD, "cprof top: keys");
    screen_line(screen, STYLE_PLAIN, "%s", "");
    for (size_t i = 0; i < sizeof help / sizeof help[0]; i++)
        screen_line(screen, STYLE_PLAIN, "  %-14s %s", help[i][0], help[i][1]);
    screen_line(screen, STYLE_PLAIN, "%s", "");
    screen_line(screen, STYLE_PLAIN,
                "  OWN is what a function did itself, TOTAL is with all that it called.");
    screen_line(screen, STYLE_PLAIN,
                "  NOW is the last interval. What is live (blocks, threads) is as it is now, and CHANGE");
    screen_line(screen, STYLE_PLAIN,
                "  is since the first look. A type that is not recorded is empty: cprof ctl on TYPE.");
}

/* The line of types, with the chosen one in brackets. It begins further right if that one would not fit. */
static void draw_types(struct screen *screen, enum view_id chosen)
{
    char line[SCREEN_LINE] = "";
    size_t used = 0, start = 0;

    for (int i = 0; i < VIEWS; i++) {
        used += (size_t)snprintf(line + used, sizeof line - used, i == (int)chosen ? "[%s]" : " %s ",
                                 views[i].name);
        if (i <= (int)chosen && used - start > screen->width)
            start = used - screen->width;
    }
    screen_line(screen, STYLE_PLAIN, "%s", line + start);
}

static void draw_bottom(struct screen *screen, const struct top_look *look)
{
    while (screen->lines + 1 < screen->height)
        screen_line(screen, STYLE_PLAIN, "%s", "");
    if (look->is_searching)
        screen_line(screen, STYLE_BOLD, "/%s_", look->search);
    else if (*look->message)
        screen_line(screen, STYLE_WARN, "%s", look->message);
    else
        screen_line(
            screen, STYLE_DIM, "%s",
            "q quit  t type  p program  c own/total  s order  / search  space pause  +- interval  h help");
}

void layout_draw(struct screen *screen, const struct model *model, struct top_look *look)
{
    if (look->shows_help) {
        draw_help(screen);
        draw_bottom(screen, look);
        return;
    }
    head_draw(screen, model, look);
    if (!look->is_plain)
        draw_types(screen, model->view);
    if (model->view == VIEW_THREADS)
        rows_draw_threads(screen, model, look);
    else
        rows_draw_functions(screen, model, look);
    if (!look->is_plain)
        draw_bottom(screen, look);
}
