/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON out of foreign bytes, read as it comes: the caller asks for what it expects next, and nothing is kept of what it
 * does not want. A tree of a 50 MB file, as libraries make it, takes ten times the file. An error ends the text:
 * everything that is asked afterwards is empty. One thread only.
 *
 *     for (json_object(json); json_key(json);)
 *         if (json_is(json, "name"))
 *             name = json_text(json);
 *         else
 *             json_skip(json);
 */
#ifndef CPROF_ANALYSIS_JSON_READER_H
#define CPROF_ANALYSIS_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source.h"

enum {
    JSON_DEPTH = 64,
    JSON_TEXT = 16 * 1024, /* longest text with its NUL; what is longer is cut */
};

struct json {
    struct source *in;
    unsigned depth;
    uint64_t open[JSON_DEPTH + 1]; /* entries that were begun at each depth */
    char text[JSON_TEXT];
    const char *error; /* what was expected, for people; NULL: none */
};

void json_init(struct json *json, struct source *in);

/* Enters an object or an array. */
void json_object(struct json *json);
void json_array(struct json *json);

/* The next entry: its key is in text, and its value must be read next. false: the object has ended. */
bool json_key(struct json *json);
bool json_is(const struct json *json, const char *key);

/* The array has another element, which must be read next. false: it has ended. */
bool json_more(struct json *json);

/* A text, in json->text until the next call. Zero bytes are '?'. */
const char *json_text(struct json *json);
double json_number(struct json *json);

/* A whole number from least to most. Others, and those with a fraction, are an error. */
int64_t json_integer(struct json *json, int64_t least, int64_t most);

/* Takes null, if it is next. */
bool json_null(struct json *json);

/* The same where null stands for "" or 0. A line of a source file: what is no such number is 0. */
const char *json_text_or_null(struct json *json);
int64_t json_line(struct json *json);

/* Whether the next value begins like this: '{', '[', '"', or '0' for a number. */
bool json_next_is(struct json *json, char first);

/* Passes over a value of any kind. */
void json_skip(struct json *json);

/* Nothing but blanks is left. */
void json_end(struct json *json);

/* Only the first one counts. */
void json_fail(struct json *json, const char *expected);

#endif
