/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for a terminal, or for a file: text is cut at the width, and what a terminal would obey (control characters, marks
 * that turn the writing direction) becomes '?'. Pure. One thread only.
 */
#ifndef CPROF_ANALYSIS_TOP_SCREEN_H
#define CPROF_ANALYSIS_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

enum screen_style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_HEAD, STYLE_WARN, STYLES };

enum { SCREEN_LINE = 1024 };

struct screen {
    unsigned width, height;
    bool has_styles; /* escape sequences are written */
    bool is_ascii;   /* the terminal knows no UTF-8 */
    char *text;
    size_t size, room;
    unsigned lines;
    bool failed; /* no memory */
};

/* Empty again, of this size. height 0: any number of lines. */
void screen_begin(struct screen *screen, unsigned width, unsigned height);
void screen_free(struct screen *screen);

/* A line. Beyond the height it is left out. */
void screen_line(struct screen *screen, enum screen_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Copies text, clean and as many columns wide as that: cut with '~', or filled with blanks. Returns out. */
char *screen_fit(char *out, size_t size, const char *text, unsigned columns, bool is_ascii);

/* The columns that a clean text takes. */
unsigned screen_columns(const char *text);

#endif
