/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an explanation: each says one paragraph, or nothing if there is nothing to say. One thread only. */
#ifndef CPROF_ANALYSIS_EXPLAIN_PARTS_H
#define CPROF_ANALYSIS_EXPLAIN_PARTS_H

#include "analysis/tables/reading.h"
#include "dump.h"
#include "say.h"

enum { NEXT_MOST = 6, PARAGRAPHS_MOST = 24 };

/* What is printed first. */
enum rank {
    RANK_HEAD,
    RANK_DEADLOCK,
    RANK_HELD,       /* a lock that somebody holds and others wait for, now */
    RANK_GROWTH,     /* memory that grows */
    RANK_MANY_LOCKS, /* more time is waited for locks than threads run */
    RANK_CPU,
    RANK_LOCKS,
    RANK_WAITS,
    RANK_MEMORY,
    RANK_THREADS,
    RANK_DOUBTS,
    RANK_LAST = RANK_DOUBTS
};

struct paragraph {
    enum rank rank;
    char text[SAY_BYTES];
};

struct explanation {
    struct say say;
    struct paragraph paragraph[PARAGRAPHS_MOST];
    size_t paragraphs;
    struct reading *reading;
    const char *program, *path; /* path: as the user gave it */
    struct read_profile *cpu, *memory, *mutex, *block, *wall, *other;
    int64_t duration_ns; /* 0: not known */
    char next[NEXT_MOST][512];
    size_t nexts;
};

/* What was said becomes a paragraph, if there is anything. */
void explain_paragraph(struct explanation *explanation, enum rank rank);

/* All paragraphs, and what to look at next. */
void explain_print(const struct explanation *explanation);

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
