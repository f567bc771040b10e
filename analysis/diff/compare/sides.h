/* SPDX-License-Identifier: Apache-2.0 */
/* What is compared: the runs of two sides, and which of their profiles belong together. One thread only. */
#ifndef CPROF_ANALYSIS_SIDES_H
#define CPROF_ANALYSIS_SIDES_H

#include "analysis/tables/reading.h"

enum { SIDE_RUNS = 256 };

struct run {
    struct reading reading;
    char *path;
    bool
        is_file; /* it has one kind, and says nothing of others. A session that has none of a kind has seen nothing */
    uint8_t *data; /* of what cannot be read twice: a query's answer, standard input. malloc'ed; else NULL */
    size_t size;
};

struct side {
    const char *name; /* the argument */
    struct run *run;
    size_t runs, room;
    bool is_query; /* to a server: a span of a service, and no whole run */
    int rc;        /* of reading it */
    char error[READ_ERROR];
};

/*
 * Reads the runs that two arguments name: each a file, a session's or a program's directory, "-", a directory of several
 * sessions, a list of those with commas, or the URL of a query. Two sides of files are read at the same time. 0 or negative
 * errno, with the reason in the error of the first side that has a bad rc. To be closed in any case.
 */
int sides_open(struct side side[2], const char *const argument[2]);
void side_close(struct side *side);

/* The run's profile of this program (NULL: any) and kind that has this type; NULL: the run has none. */
const struct read_profile *run_profile(const struct run *run, const char *program, const char *kind,
                                       const char *type);

/* The side with the runs that say something of this kind: a copy that borrows them. -ENOMEM, or 0; then free(only->run). */
int side_with(const struct side *side, const char *program, const char *kind, struct side *only);

/* A program, kind and type that both sides have. */
struct pairing {
    const char *program[2]; /* they may be called differently */
    const char *kind, *type, *unit;
    bool is_default; /* the type that its kind shows first */
    double size[2];  /* sums of all runs */
};

/* All pairings, malloc'ed, CPU time first, and of each type the larger programs first. NULL without memory, or if there
   are none. */
struct pairing *sides_pair(const struct side *a, const struct side *b, size_t *count);

/* The first one with this type, which may be a kind ("mutex"), a type ("delay") or both ("mutex:delay"); NULL: with CPU time,
   or else the first one. NULL: there is none. */
const struct pairing *pairing_find(const struct pairing *pairing, size_t count, const char *type);

#endif
