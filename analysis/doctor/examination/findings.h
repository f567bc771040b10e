/* SPDX-License-Identifier: Apache-2.0 */
/* What a doctor has found: what it means, and what helps. One thread only. */
#ifndef CPROF_ANALYSIS_FINDINGS_H
#define CPROF_ANALYSIS_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* In the order in which they are shown. */
enum finding_level {
    FINDING_STOPS,   /* nothing is profiled */
    FINDING_MISSING, /* something will be missing, or will not arrive */
    FINDING_NOTE,    /* worth knowing, but nothing is missing because of it */
    FINDING_WELL,    /* asked, and all is well */
    FINDING_LEVELS
};

struct finding {
    enum finding_level level;
    const char *id; /* of the check */
    char *text;
    char *remedy; /* NULL: the text says all */
};

/* Zero is an empty list. */
struct findings {
    struct finding *finding;
    size_t count, room;
};

/* As printf(). What stands behind the text's first newline is the remedy. id is borrowed for ever. The same text is kept
   once. */
void findings_add(struct findings *findings, enum finding_level level, const char *id, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

/* Whether the check has found something that is not well. */
bool findings_have(const struct findings *findings, const char *id);

/* 0: all is well; 1: something will be missing; 2: nothing is profiled. */
int findings_status(const struct findings *findings);

struct findings_style {
    bool verbose; /* what is well, too */
    bool color;
};

/* One line each, the gravest first. subject: what was looked at. */
void findings_print(const struct findings *findings, const char *subject, struct findings_style style,
                    FILE *out);

/* All of them, as one JSON object. */
void findings_print_json(const struct findings *findings, const char *subject, FILE *out);

void findings_free(struct findings *findings);

#endif
