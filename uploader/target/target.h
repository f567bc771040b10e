/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One target: the attached segment of a process. Everything that the segment says is checked before it is
 * used. What makes no sense is dropped and counted. It is read by segment.h (slots, clocks, names), drain.h
 * (samples), round.h (the parts of a round), rotate.h (full tables) and adopt.h (untracked threads). One
 * thread only.
 */
#ifndef CPROF_UPLOADER_TARGET_H
#define CPROF_UPLOADER_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/segment/layout.h"
#include "uploader/handover/handover.h"
#include "uploader/otel/process_context.h"
#include "uploader/otel/thread_variable.h"
#include "uploader/process/owner.h"
#include "uploader/programs/programs.h"
#include "uploader/symbols/stacks.h"
#include "uploader/symbols/symbols.h"

/* Tells one program of a process from the next: its file, and where the kernel has put it. 0: not shown. */
struct exec_id {
    uint64_t device, inode;
    uint64_t code, stack;
};

/* What was read of a bank's samples and is not in the sinks yet. It becomes acked. */
struct drained {
    uint64_t (*value)[LAYOUT_VALUES];
    uint32_t count;
};

/* Names of threads: those of the segment, and some more of threads without a slot. */
enum { TARGET_NAMES = LAYOUT_NAMES + 32 };

/* The profiles that wall samples are taken for. */
enum { TARGET_THREAD_PROFILES = 1 << PROFILE_WALL | 1 << PROFILE_OFF_CPU | 1 << PROFILE_THREADS };

/* CPU time of the threads of one name, as it was read from samples. The profiles from outside take it and set
   it to 0. */
struct cpu_sum {
    int64_t ns;
    int64_t before_ns;    /* handed on by an earlier uploader */
    struct stack *newest; /* a copy of the stack with the most CPU time of the round; NULL: none yet */
    int64_t newest_ns;
};

struct target {
    struct segment *segment;
    int memfd, pidfd;
    struct process_files source; /* owns root_fd and exe_fd */
    struct owner owner;
    pid_t pid;                      /* in our namespace */
    int64_t clock_offset_ns;        /* its CLOCK_MONOTONIC minus ours: of its time namespace */
    struct process_context context; /* what the program's own OpenTelemetry SDK says of it */
    uint64_t id;                    /* by which the keeper knows it */
    struct exec_id exec;            /* of the program that joined */
    struct programs *programs;
    struct program *program;
    struct stacks *stacks;
    int64_t since_ns;       /* CLOCK_MONOTONIC: the times of its threads count from then on */
    int64_t wall_period_ns; /* between two wall samples of it; 0: as often as the session takes them */
    uint32_t profiles;      /* what is recorded, as bits of enum profile_type, when the session last asked */
    struct cpu_sum cpu[TARGET_NAMES];
    bool has_otel;               /* seg_control.otel says where thread contexts are; thread_context.c: */
    struct thread_variable otel; /* that it says */
    uint32_t otel_root;          /* 1 + index of the attribute with the local root span's id; 0: none */
    uint32_t otel_unloads;       /* header.unloads, and */
    uint64_t otel_published_ns;  /* context.published_ns, when they were looked for */
    int64_t next_otel_ns, otel_gap_ns;    /* when they are looked for next, and the pause after that */
    struct target_label_sets *label_sets; /* those that were read; NULL: none; context.c */
    const char *name[TARGET_NAMES];       /* interned; NULL: not read yet, or not given */
    uint64_t counter[COUNTERS];           /* as of the last round */
    uint32_t named[LAYOUT_BANKS];         /* samples whose stacks are named already */
    struct drained drained[LAYOUT_BANKS];
    uint64_t wall_drained_ns; /* the same for wall_acked_ns; 0: nothing */
    uint32_t adopt_ticks;
    int64_t cpu_clock_ns;                   /* its process's CPU time that is accounted for */
    int64_t cpu_counted_ns, cpu_sampled_ns; /* of this target: added to the program's, and seen in samples */
    struct resident resident;
    int64_t next_resident_ns, resident_gap_ns;
    int64_t next_naming_ns, naming_gap_ns; /* when new ones are named next, and the pause after that */
    bool has_state;                        /* its live allocations or threads are in the program's profiles */
    bool resumed;   /* what an earlier uploader acknowledged is not in the merged profiles yet */
    bool has_large; /* counters that are to start anew */
    bool rotating;  /* the inactive bank still holds samples */
    int64_t rotate_give_up_ns;
};

/* Opens the root and the executable of the process, if they are not open. */
void target_open_files(struct handover *handover);

/* Takes over the descriptors, also when it fails. -EINVAL: refused, and a line was logged. */
int target_attach(struct programs *programs, const struct handover *handover, struct target **target);

/* Unmaps and closes. Nothing is read. until_ns: CLOCK_MONOTONIC; the times of its threads are accounted for
   until then. */
void target_free(struct target *target, int64_t until_ns);

/* Once a second: the target sees that we live. */
void target_beat(struct target *target);

/* Asked once a second. true: its process has executed another program, which did not join. */
bool target_is_replaced(const struct target *target);

/* The process waits at its exit until target_finished(). */
bool target_waits(const struct target *target);
void target_finished(struct target *target);

#endif
