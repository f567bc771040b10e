/* SPDX-License-Identifier: Apache-2.0 */
/* Of which programs and processes a profile is wanted: ?program= and ?pid=. One thread only. */
#ifndef CPROF_UPLOADER_PULL_SELECTION_H
#define CPROF_UPLOADER_PULL_SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "uploader/programs/programs.h"

/* Zero selects everything. */
struct selection {
    char program[256]; /* a program's name, or its service; "": any */
    uint32_t pid;      /* 0: any */
};

struct pull_process {
    uint32_t pid;
    const struct program *program;
};

bool selection_has(const struct selection *selection, const struct program *program);

/* How many programs it has; *first: one of them, or NULL. */
unsigned selection_count(const struct selection *selection, const struct programs *programs,
                         struct program **first);

/* A whole number of decimal digits, no larger than `most`. */
bool selection_number(const char *text, uint64_t most, uint64_t *number);

#endif
