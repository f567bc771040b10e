/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison for people, for programs and for a pull request. One thread only. */
#ifndef CPROF_ANALYSIS_PRINT_H
#define CPROF_ANALYSIS_PRINT_H

#include <stdio.h>

#include "analysis/diff/compare/compare.h"

/* What --fail-above asked for. */
struct limit {
    double percent;
    const char *function;    /* NULL: the total */
    const struct change *of; /* NULL: there is no limit */
    bool is_above;
};

/* What a live heap gained between two looks at one process. */
struct growth {
    double seconds;   /* between the looks; 0: not known */
    bool one_process; /* the samples of both sides are of the same process ids; else that is not known */
};

struct printed {
    const struct side *side;         /* two */
    const struct compared *compared; /* with functions and stacks */
    const struct compared *summary;  /* totals of the other types of the same program */
    size_t summaries;
    struct limit limit;
    struct growth growth;
    char programs[256]; /* others that both sides have */
};

void print_text(FILE *file, const struct printed *printed);
void print_json(FILE *file, const struct printed *printed);
void print_markdown(FILE *file, const struct printed *printed);

/* Parts of them. Each returns text. */
enum { PRINT_TEXT = 512 };
const char *print_normalized(const struct printed *printed, char text[PRINT_TEXT]);
const char *print_verdict(const struct printed *printed, char text[PRINT_TEXT]);
const char *print_growth(const struct printed *printed, char text[PRINT_TEXT]);
const char *print_decision(const struct printed *printed, char text[PRINT_TEXT]); /* "": there is none */
const char *basis_text(const struct compared *compared, const struct change *change);
const char *print_value(const struct compared *compared, double value, int sign, char text[64]);

#endif
