/* SPDX-License-Identifier: Apache-2.0 */
/* What cprof top knows of the session: the last frames, functions of one kind, threads. One thread only. */
#ifndef CPROF_ANALYSIS_TOP_MODEL_H
#define CPROF_ANALYSIS_TOP_MODEL_H

#include "analysis/live/frame.h"
#include "analysis/live/link.h"
#include "tally.h"
#include "threads.h"
#include "views.h"

struct model {
    struct frame frame, before; /* before: for what went on between the two */
    bool has_frame, has_interval;
    enum view_id view;
    struct tally tally; /* of the view's kind */
    bool is_new;        /* the session so far is still to be asked for */
    struct tally locks; /* of the mutex profile, whatever is shown */
    struct threads threads;
    bool has_states;        /* the frame that is asked for now has states */
    int64_t states_cost_ns; /* what the last frame with states took the uploader */
    int64_t plain_cost_ns;  /* and the last one without */
    int64_t states_ns;      /* CLOCK_MONOTONIC when states were asked for */
    bool asked_states;      /* in the frame whose cost comes with the next one */
    unsigned wrong;         /* profiles that could not be read */
};

void model_free(struct model *model);

/* Another view; functions begin anew if it is of another kind. */
void model_show(struct model *model, enum view_id view);

/* A session that is another one, or begins anew: all is forgotten but the view. */
void model_forget(struct model *model);

/* What to ask for next. States are asked for as often as they cost 1 % of a CPU at most. */
void model_want(struct model *model, int64_t now_ns, struct link_wanted *wanted);

/* How long to wait between two frames, so that they cost the uploader 1 % of a CPU at most. */
int64_t model_interval(const struct model *model, int64_t interval_ns);

/* Takes over a complete frame. */
void model_take(struct model *model, struct frame *frame);

/* ---- Figures of the last interval; program -1: of all ---- */

struct model_figures {
    double seconds;                         /* 0: there was no interval yet */
    double cpu;                             /* CPUs */
    double own_cpu;                         /* of the uploader, CPUs */
    double cost;                            /* profiling, of the program's CPU time; below 0: not known */
    double total[KIND_IDS][PROFILE_VALUES]; /* a second */
    int64_t resident, blocks, objects;
    uint64_t threads, processes, lost;
    int pid; /* of the only process; 0: there are several, or none */
};
void model_figures(const struct model *model, int program, struct model_figures *figures);

/* Programs in the order in which they are shown: by CPU time of the interval. Returns how many. */
enum { MODEL_PROGRAMS = 64 };
struct model_program {
    const struct frame_program *program;
    double cpu;
};
unsigned model_programs(const struct model *model, struct model_program programs[MODEL_PROGRAMS]);

#endif
