/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an explanation: each says one paragraph, or nothing if there is nothing to say. One thread only. */
#ifndef CPROF_ANALYSIS_EXPLAIN_PARTS_H
#define CPROF_ANALYSIS_EXPLAIN_PARTS_H

#include "analysis/read/read.h"
#include "dump.h"
#include "say.h"

enum { NEXT_MOST = 6 };

struct explanation {
    struct say say;
    struct reading *reading;
    const char *program, *path; /* path: as the user gave it */
    struct read_profile *cpu, *memory, *mutex, *block, *wall, *other;
    int64_t duration_ns; /* 0: not known */
    char next[NEXT_MOST][512];
    size_t nexts;
};

/* One line for "what to look at next". */
void explain_next(struct explanation *explanation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* 0 or -ENOMEM. */
int explain_cpu(struct explanation *explanation);
int explain_other(struct explanation *explanation); /* a profile of a kind that is not known */
int explain_locks(struct explanation *explanation);
int explain_waits(struct explanation *explanation);
int explain_memory(struct explanation *explanation);
int explain_threads(struct explanation *explanation, struct dump *dump);
void explain_doubts(struct explanation *explanation);

#endif
