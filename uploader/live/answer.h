/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a page that follows a session is sent, as JSON (report/data/live.js reads it):
 *
 *     {"session": name, "since": ms, "now": ms, "ended": false, "more": false, "files": [
 *      {"program", "service", "kind", "part": "whole" or "interval", "start": ms, "end": ms, "name", "data": base64}]}
 *
 * Pure.
 */
#ifndef CPROF_UPLOADER_LIVE_ANSWER_H
#define CPROF_UPLOADER_LIVE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The longest id of a page, which it chooses. */
enum { ANSWER_TAB = 32 };

struct answer_file {
    const char *program, *service, *kind;
    bool is_whole;
    int64_t start_ms, end_ms;
    const uint8_t *data;
    size_t size;
};

void answer_begin(FILE *out, const char *session, int64_t since_ms, int64_t now_ms, bool has_ended);
void answer_file(FILE *out, bool is_first, const struct answer_file *file);
/* more: the rest is to be asked for at once. */
void answer_end(FILE *out, bool more);

/* Whether it is an id: 1 to ANSWER_TAB letters and digits. */
bool answer_is_tab(const char *text);

#endif
