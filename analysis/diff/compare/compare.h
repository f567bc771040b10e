/* SPDX-License-Identifier: Apache-2.0 */
/* One type of two sides: its total, or also every function and every stack. One thread only. */
#ifndef CPROF_ANALYSIS_COMPARE_H
#define CPROF_ANALYSIS_COMPARE_H

#include "align.h"
#include "analysis/diff/significance/significance.h"
#include "sides.h"

/* What makes values of different runs comparable. */
enum normalize {
    NORMALIZE_NONE,  /* as recorded: work of a fixed size */
    NORMALIZE_TIME,  /* per second of recording: a service */
    NORMALIZE_TOTAL, /* all totals as A's: shares */
};

struct compared_function {
    uint32_t function; /* of align */
    struct measure own[2], cumulative[2];
    struct change own_change, cumulative_change;
    bool
        is_whole; /* it has nothing of its own and is in every stack, as main() is: it says what the total says */
};

struct compared_stack {
    uint32_t stack; /* of align */
    struct measure own[2];
    struct change change;
};

struct compared {
    const struct pairing *pairing;
    enum normalize normalize; /* none for what is a state and no sum over time */
    bool is_state;            /* what is in use */
    bool of_intervals;        /* the runs are intervals of one recording */
    double level;             /* of functions and stacks */
    struct comparison named, listed;
    struct measure total[2];
    struct change change; /* of the total */
    double run_total[2][SIDE_RUNS];

    struct align align; /* with functions only */
    struct compared_function *function;
    struct compared_stack *stack;
    size_t functions_room, stacks_room;
    size_t functions, stacks; /* those that are not 0 on both sides, by significance and size */
    size_t changed_functions, changed_stacks;
};

/* It is what there is at one moment, and no sum over time. */
bool is_state(const struct pairing *pairing);

/* The total alone. */
void compare_total(struct compared *compared, const struct side side[2], const struct pairing *pairing,
                   enum normalize normalize);

/* 0 or -ENOMEM. To be freed in any case. */
int compare_all(struct compared *compared, const struct side side[2], const struct pairing *pairing,
                enum normalize normalize);
void compared_free(struct compared *compared);

/* The function of this name, with its parameters or without. NULL: there is none, or several. */
const struct compared_function *compared_find(const struct compared *compared, const char *name,
                                              size_t *found);

/* The function's cumulative value, judged as one that was asked for by name. */
struct change compare_named(const struct compared *compared, const struct side side[2],
                            const struct compared_function *function);

/* Seconds of recording of a pairing's profiles on one side, the mean of the runs; 0: not known. */
double side_seconds(const struct side *side, unsigned which, const struct pairing *pairing);

/* Values of the comparison as text: with "/s" if they are per second. */
const char *compared_unit_end(const struct compared *compared);

#endif
