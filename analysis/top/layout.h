/* SPDX-License-Identifier: Apache-2.0 */
/* What cprof top shows, as lines. Pure: it changes the screen and the scroll position alone. One thread only. */
#ifndef CPROF_ANALYSIS_TOP_LAYOUT_H
#define CPROF_ANALYSIS_TOP_LAYOUT_H

#include "analysis/top/model/model.h"
#include "analysis/top/terminal/screen.h"

enum top_sort { SORT_NOW, SORT_ALL, SORT_NAME, SORTS };

enum { TOP_SEARCH = 64, TOP_MESSAGE = 200 };

/* What is chosen. */
struct top_look {
    int program; /* number; -1: all */
    enum top_sort sort;
    bool by_cum; /* the columns' order is by the cumulative value */
    bool is_paused, is_searching, shows_help;
    char search[TOP_SEARCH]; /* part of a name, in any case; "": none */
    unsigned scroll;
    unsigned rows; /* functions at most; 0: as many as there is room for */
    double interval_s;
    char message[TOP_MESSAGE]; /* in place of the keys */
    bool is_plain;             /* for a file: no keys, no line of types */
};

void layout_draw(struct screen *screen, const struct model *model, struct top_look *look);

#endif
