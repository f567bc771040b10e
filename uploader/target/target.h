/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attached process: its segment, read round by round. Everything the segment says is checked before it is
 * used; what makes no sense is dropped and counted. One thread only.
 */
#ifndef CPROF_UPLOADER_TARGET_H
#define CPROF_UPLOADER_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/segment/layout.h"
#include "uploader/handover/join.h"
#include "uploader/process/owner.h"
#include "uploader/programs/programs.h"
#include "uploader/symbols/stacks.h"
#include "uploader/symbols/symbols.h"
#include "uploader/threads/wall.h"

/* What tells one program of a process from the next: its file, and where the kernel has put it. 0: not shown.
 */
struct image_id {
    uint64_t device, inode;
    uint64_t code, stack;
};

/* What was read of a bank's samples and is not in the sinks yet: acked will be that. */
struct drained {
    uint64_t (*value)[LAYOUT_VALUES];
    uint32_t count;
};

/* Thread names: the segment's, and some more of threads that have no slot. */
enum { TARGET_NAMES = LAYOUT_NAMES + 32 };

struct target {
    struct segment *segment;
    int memfd, pidfd;
    struct process_files source; /* owns root_fd and exe_fd */
    struct owner owner;
    pid_t pid;               /* in our namespace */
    int64_t clock_offset_ns; /* its CLOCK_MONOTONIC minus ours: of its time namespace */
    uint64_t id;             /* by which the keeper knows it */
    bool is_kept;            /* the keeper has it */
    size_t index;            /* where the session keeps it */
    struct image_id image;   /* of the program that joined */
    struct programs *programs;
    struct program *program;
    struct stacks *stacks;
    struct wall *wall;
    const char *name[TARGET_NAMES]; /* interned; NULL: not read yet, or not given */
    uint64_t counter[COUNTERS];     /* as of the last round */
    uint32_t warmed[LAYOUT_BANKS];  /* samples whose stacks are named already */
    struct drained drained[LAYOUT_BANKS];
    uint64_t wall_drained_ns; /* the same for wall_acked_ns; 0: nothing */
    int64_t committed_ns;     /* interval_done_ns of the program when it was */
    uint32_t adopt_ticks;
    int64_t warm_ns, warm_gap_ns; /* when new ones are named next, and the pause after that */
    bool has_state;               /* its live allocations or threads are in the program's profiles */
    bool resumed;                 /* what another uploader acknowledged is not in our merged profiles yet */
    bool has_large;               /* counters that are to start anew */
    bool rotating;                /* the inactive bank still holds samples */
    int64_t rotate_give_up_ns;
};

/* Fills in the files of the process, where they are not. */
void target_open_files(struct join *join);

/* Takes over join's descriptors, also when it fails. -EINVAL: refused, and a line was logged. */
int target_attach(struct programs *programs, struct symbols *symbols, const struct join *join,
                  struct target **target);

/* Unmaps and closes. Nothing is drained. */
void target_free(struct target *target);

/* Once a second: heartbeat, threads without a slot, names for new stacks ahead of the
 * round. */
void target_tick(struct target *target, int64_t now_ns);

/* One round: hands on all that was recorded since the last one, and the live allocations as they are. */
void target_drain(struct target *target);

/* Between rounds: samples, and the times that go with them. */
void target_drain_times(struct target *target);

/* After an upload: what was read since the last one is acknowledged in the segment. Whoever kills us before
   then makes our successor read it again. */
void target_commit(struct target *target);

/* Asked once a second: its process has executed another program, which did not join. */
bool target_is_replaced(const struct target *target);

/* The last round, of a process that has ended, or executed another program: no later than at ended_ns. */
void target_drain_end(struct target *target, int64_t ended_ns);

/* The same process handed over a copy of `old`, believing that we had died: what old has acknowledged already
   is not to come a second time. */
void target_resume(struct target *target, struct target *old);

/* Asked to hurry: the process waits at its exit until target_finished(). */
bool target_waits(const struct target *target);
void target_finished(struct target *target);

/* Slots [1, this] may be in use. */
uint32_t target_used_slots(const struct target *target);

/* CLOCK_MONOTONIC of a reading of the target's time stamp counter, by one of ours at now_ns. */
int64_t target_time_of_ticks(const struct target *target, uint64_t ticks, int64_t now_ns);

/* The same of its CLOCK_MONOTONIC. */
int64_t target_time(const struct target *target, uint64_t its_ns);

/* drain.c: the parts of a round. */
void drain_bank(struct target *target, unsigned bank);
void drain_commit(struct target *target, unsigned bank);
void drain_forget(struct target *target, unsigned bank); /* the bank was emptied */
void drain_live(struct target *target);
void drain_created(struct target *target);
void drain_counters(struct target *target);
const char *target_thread_name(struct target *target, uint32_t index);
/* The index of a name that the kernel has told; 0: there are too many. */
uint32_t target_own_name(struct target *target, const char text[16]);
/* Calls each() with a consistent copy of every live allocation. */
void drain_each_live(struct target *target, void (*each)(struct target *, const struct seg_live *, void *),
                     void *context);

/* rotate.c: emptying a bank that fills up while the target goes on. */
void rotate_attach(struct target *target);
/* true: ask again soon. */
bool rotate_tick(struct target *target, int64_t now_ns);

#endif
