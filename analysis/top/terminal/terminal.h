/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal while it is ours: keys come at once, lines are drawn on its second screen. It is given back when the process
 * ends or stops, whichever signal does that; SIGKILL alone cannot be helped.
 *
 * By hand and not by ncurses, because a bundle runs in images without a terminfo database, in which ncurses refuses to start,
 * and because the uploader is this same program: two more libraries would cost each session memory and time. What is used
 * are sequences of the VT100 and the second screen, which every terminal of today has.
 */
#ifndef CPROF_ANALYSIS_TOP_TERMINAL_H
#define CPROF_ANALYSIS_TOP_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "screen.h"

enum terminal_key {
    KEY_NONE = 0,
    KEY_ESCAPE = 27,
    KEY_DELETE = 127, /* smaller ones are characters */
    KEY_UP = 256,
    KEY_DOWN,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_LEFT,
    KEY_RIGHT,
};

/* What ended a wait. */
enum terminal_event {
    EVENT_TIME = 0,
    EVENT_KEYS = 1,
    EVENT_FD = 2,   /* the other descriptor */
    EVENT_DRAW = 4, /* the size has changed, or it is ours again */
    EVENT_QUIT = 8, /* a signal that ends the process */
};

/* stdin and stdout are a terminal that can do this. */
bool terminal_is_there(void);

/* 0 or negative errno. Without `ours` only signals are taken. */
int terminal_open(bool ours);
void terminal_close(void);

/* Waits for keys, for fd (-1: none), and until then (CLOCK_MONOTONIC). Stops the process if it was told to. Events. */
unsigned terminal_wait(int fd, int64_t until_ns);

/* The next key, KEY_NONE if there is none now. */
int terminal_key(void);

void terminal_size(unsigned *width, unsigned *height);
void terminal_draw(const struct screen *screen);

/* The signal of EVENT_QUIT; 0: none came. */
int terminal_signal(void);

/* Whether the locale has UTF-8. */
bool terminal_has_utf8(void);

#endif
