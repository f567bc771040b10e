/* SPDX-License-Identifier: Apache-2.0 */
/* Paragraphs of plain text, broken into lines. One thread only. */
#ifndef CPROF_ANALYSIS_SAY_H
#define CPROF_ANALYSIS_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SAY_BYTES = 4096, SAY_NUMBER = 48 };

/* The paragraph that is being written. Zero is an empty one. */
struct say {
    char text[SAY_BYTES];
    size_t used;
    bool all; /* details are said, too */
};

/* Adds to the paragraph. What is beyond SAY_BYTES is cut. */
void say(struct say *say, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As say(), of what can be left out. */
void say_detail(struct say *say, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints a paragraph, broken into lines. Control characters become '?'. */
void say_print(const char *text);

/* A value of a type as text, in out, which is returned. */
const char *say_amount(char out[SAY_NUMBER], int64_t value, const char *unit);
/* "51.8 %" */
const char *say_share(char out[SAY_NUMBER], int64_t part, int64_t whole);

#endif
