/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the session knows of each program (same name, service and labels): the profiles of the present
 * interval and of the whole session, what was counted, and when it is to be handed to the sinks. One thread
 * only.
 *
 * State values (inuse_*) of a live process are replaced at each round. Those of a process that ended stay in
 * the merged profile as they were at its end, and are in exactly one interval: the one it ended in. But
 * threads are shown of live processes only; once none is left, of those that ended last.
 */
#ifndef CPROF_UPLOADER_PROGRAMS_H
#define CPROF_UPLOADER_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "facts.h"
#include "names.h"
#include "short_lived.h"
#include "uploader/base/durations.h"
#include "uploader/base/hash.h"
#include "uploader/base/ids.h"
#include "uploader/budget/budget.h"
#include "uploader/profile/profile.h"
#include "uploader/symbols/stacks.h"

/* Ceilings. What goes over one becomes one entry that says so. A sample with a stack of 30 frames takes 0.4
   KiB here. */
enum {
    PROGRAMS_SINKS = 4,
    PROGRAMS_MOST = 256,             /* told apart in a session; further ones are "[other programs]" */
    PROGRAMS_THREAD_NAMES = 4096,    /* likewise; all others are "[other threads]" */
    PROGRAMS_SAMPLES = 60000,        /* in all profiles of a session */
    PROGRAM_STACKS = 25000,          /* in a merged profile */
    PROGRAM_INTERVAL_STACKS = 16000, /* in an interval's, and a server takes no more */
    /* If the merged profiles of all programs have more samples than that, processes that ended are told apart
       no longer. This is repeated when they are half as large again. */
    PROGRAMS_FOLD_SAMPLES = 8000,
};

/* Counted since the interval, or the session, began. */
struct program_counts {
    uint64_t counter[COUNTERS];
    uint64_t malformed; /* records of a segment that made no sense and were dropped */
    uint64_t own_ns;    /* time that our sampling took in the target; what else it took: program->budget */
};

/* Bytes in memory: anonymous, of files, shared, and of the segment. Beside them what was in use at that moment, in blocks
   and in mappings of the program's own; the number of these blocks; threads. */
struct resident {
    int64_t anonymous, file, shared, own, blocks, mapped, objects, threads;
};

struct programs;
struct sink;
struct tap;
struct program {
    struct programs *programs;           /* that it is one of */
    const char *name, *service, *labels; /* interned, clean */
    struct program_id id;                /* the same as they are in the segment; all of it is in id_bytes */
    char *id_bytes, *id_text;
    unsigned number; /* 0, 1, 2 ... in its session */
    char *path;      /* where its files are; NULL: nothing was written */
    struct profile *interval[KIND_IDS], *merged[KIND_IDS];
    struct program_counts interval_counts, counts;
    uint64_t cpu_ns;                 /* of its processes since they joined, as it was read last */
    struct resident resident;        /* of its processes, or of the one that ended last; 0: none was seen */
    struct short_lived *short_lived; /* NULL: none; until the next upload */
    int64_t period[KIND_IDS];
    int64_t start_ns, interval_start_ns; /* CLOCK_MONOTONIC: from then on the times of its processes count */
    int64_t end_ns;                      /* CLOCK_MONOTONIC when its last process ended, or now */
    int64_t due_ns;                      /* CLOCK_MONOTONIC; 0: nothing to write before the interval's end */
    int64_t merged_done_ns, interval_done_ns;
    bool changed;     /* since the last upload */
    bool has_been;    /* handed to the sinks */
    struct hash pids; /* of those alive; the value is how many have this one */
    size_t alive;
    struct process_facts facts; /* of those alive, and of those that ended in the interval */
    unsigned processes;         /* ever */
    bool has_gone;              /* threads of processes that ended are in the profiles of threads */
    struct budget budget;       /* of its processes, also of those that come later */
};

/* Somebody or something has switched what is recorded, or how often. */
enum { PROGRAMS_NOTES = 8, NOTE_TEXT = 160 };
struct programs_note {
    int64_t at_ns; /* CLOCK_MONOTONIC; 0: none */
    char text[NOTE_TEXT];
};

/* `program` is read by summary.c as well. */
struct programs {
    struct symbols *symbols;
    struct sink *sink[PROGRAMS_SINKS]; /* borrowed */
    size_t sinks;
    const struct symbol_location *overflow;
    int64_t wall_period_ns;       /* between two wall samples, at present; 0: one a round */
    int64_t usual_wall_period_ns; /* the same, unless they cost too much */
    struct program **program;
    size_t count;
    struct text_ids ids;          /* number + 1 of each, by id_text() */
    struct program *other;        /* once there is one more than PROGRAMS_MOST */
    size_t samples;               /* in all profiles */
    size_t fold_at;               /* samples of merged profiles */
    bool wants_facts;             /* a sink shows what processes are like */
    uint64_t processes_beyond;    /* that were not let in */
    struct label_sets label_sets; /* that samples refer to */
    struct tap *taps;             /* who is given what is added, see tap.h */
    struct text_ids threads;
    uint64_t threads_beyond; /* names of threads that are not told apart */
    struct durations upload; /* what encoding a program's profiles and handing them to the sinks took */
    struct programs_note note[PROGRAMS_NOTES]; /* the newest ones: a ring */
    unsigned notes;                            /* so far */
};

void programs_init(struct programs *programs, struct symbols *symbols);
void programs_free(struct programs *programs);

/* Uploads go to this sink, too. NULL is ignored. */
void programs_add_sink(struct programs *programs, struct sink *sink);

/* Found or made; owned by programs. The texts may hold any bytes; service may be "". NULL: no memory. */
struct program *programs_get(struct programs *programs, const char *name, const char *service,
                             const char *labels);

/* The program that stands for all beyond the ceiling. NULL: no memory. */
struct program *programs_get_other(struct programs *programs);

/* A line for the comments of the profiles of this time, with the time of day before it. */
void programs_note(struct programs *programs, const char *text);

/* The name of a thread, interned and clean. */
const char *programs_thread_name(struct programs *programs, const char *name);

/* since_ns, until_ns: CLOCK_MONOTONIC, the span that the times of this process are of. 0 or -ENOMEM. */
int program_enter(struct program *program, pid_t pid, int64_t since_ns);
void program_leave(struct program *program, pid_t pid, int64_t until_ns);

enum program_part { PROGRAM_INTERVAL = 1, PROGRAM_MERGED = 2 };

/* A sample of this stack, whose frames are borrowed. Its values are 0. */
struct profile_sample program_sample(const struct stack *stack, pid_t pid, const char *thread);

/* Adds to the interval, to the session so far, or to both. 0 or -ENOMEM (then nothing was added). */
int program_add(struct program *program, unsigned parts, enum profile_kind_id kind,
                const struct profile_sample *sample);

/* Adds time of threads to those of the profiles wall and off_cpu whose bits are in `profiles`. */
void program_add_time(struct program *program, unsigned parts, const struct profile_sample *sample,
                      uint32_t profiles);

/* Called before a process's state values are added anew. */
void program_clear_state(struct program *program, pid_t pid);

/* A process goes on as another program, so its threads are gone. */
void program_clear_threads(struct program *program, pid_t pid);

/* Removes the threads of processes that have ended. Not called when one ends: if a group ends at once, the
   last one would be shown alone. */
void program_drop_ended_threads(struct program *program);

/* A program that is started again and again would fill its merged profiles with the same stacks of ever new
   processes. Once all profiles together are large, processes that ended are told apart no longer. */
void programs_fold_if_large(struct programs *programs);

/* A process has so much in memory now, and had so much when it was seen last. */
void program_change_resident(struct program *program, const struct resident *before,
                             const struct resident *now);

void program_count(struct program *program, enum counter counter, uint64_t n);
/* Time that samples took in the target, in ticks of its own. program_count_own() has it in ns. */
static inline bool program_counter_is_ticks(enum counter counter)
{
    return counter >= COUNT_CPU_TICKS && counter <= COUNT_BLOCK_TICKS;
}
void program_count_malformed(struct program *program);
void program_count_own(struct program *program, enum cost cost, uint64_t ns);
void program_count_cpu(struct program *program, uint64_t ns);

/* Locations have new names, so merged profiles are written again at the next upload. */
void programs_renamed(struct programs *programs);

/* Shares of functions are of this total. 0: the program has no CPU profile. */
int64_t program_cpu_ns(const struct program *program);

#endif
