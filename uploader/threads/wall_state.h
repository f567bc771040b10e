/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of wall.h share: wall.c credits time, wall_sample.c sees what each thread is in,
 * wall_round.c makes the times add up and hands them on, wall_threads.c writes the threads profile. One
 * thread only.
 */
#ifndef CPROF_UPLOADER_WALL_STATE_H
#define CPROF_UPLOADER_WALL_STATE_H

#include "uploader/base/ids.h"
#include "uploader/process/tasks.h"
#include "uploader/programs/time_balance.h"
#include "uploader/target/target.h"
#include "wait_stacks.h"
#include "wall.h"

struct wait_function {
    const char *state, *function;
    enum wait_object who; /* that is waited for */
};
extern const struct wait_function wall_functions[WAITS];

/* UNKNOWN: it was not asked, or is asked no more, and what it was seen in is over. */
enum activity { ACTIVE_UNKNOWN, ACTIVE_WAITING, ACTIVE_BLOCKED, ACTIVE_RUNNING };

/* What we remember of a slot from look to look. */
struct watched_thread {
    int32_t tid; /* 0: nobody */
    uint32_t name, sequence, looks;
    uint32_t kind;   /* enum wait_kind, while waiting */
    uint64_t object; /* seg_thread.wait_object, likewise */
    int32_t holder;  /* tid of the thread that had the lock when it was last asked; 0: not known */
    enum activity activity;
    bool gone;      /* its task is, its slot is not: its time is over */
    bool stopped;   /* by a signal, the freezer or a debugger, wherever it was */
    uint32_t stops; /* wall.stops when it was asked last */
    bool has_timer, has_run;
    bool has_times;          /* when they were read, or as they are of a new thread */
    struct task_times times; /* as of then */
    uint32_t look;           /* number of the last one */
    uint32_t ask_at,
        same;         /* look at which it is asked next; times in a row that it was blocked in the same */
    int64_t until_ns; /* its time is accounted for until then */
    bool owed; /* what it does is not known well yet, or not asked for: the next look accounts for it */
    uint32_t changes;         /* wall.changes when its stack was unwound */
    uint32_t confirmed;       /* sequence of the last wait that its stack was found in again */
    uint64_t start;           /* as the slot has it; */
    int64_t start_ns;         /* by our clock, and not later than its first look */
    int64_t since_ns;         /* in this activity */
    int64_t credited_ns;      /* at its first look */
    struct wait_stack *stack; /* NULL: running */
    const char *what;         /* interned; blocked in this */
};

/* Sums over the threads of one name since the last round. */
struct sums {
    struct time_balance balance; /* blocked_ns: all of its entries in pending */
    int64_t lived_ns;            /* before since_ns: the threads that were there then */
    uint32_t running;            /* threads, at the last look */
};

struct pending {
    int64_t ns, looks;
};

struct wall {
    struct target *target;
    struct wait_stacks *waits;
    struct unwinder *unwinder;
    struct unwound unwound;
    struct watched_thread *watched;
    struct watched_thread untracked[UNTRACKED_MOST]; /* threads without a slot */
    uint32_t untracked_count;
    uint32_t room;
    uint32_t looks;
    bool dead;                  /* the process is: nothing can be asked any more */
    enum task_stop stop;        /* of the process; ALONE: at least one of its threads is */
    uint32_t stops;             /* how often that has changed */
    bool one_stopped;           /* one of those asked at this look is */
    uint64_t motion;            /* what had moved in the segment until the last look */
    uint32_t still, stop_at;    /* looks at which nothing had; look at which it is asked again */
    struct wall_budget *budget; /* of the present look */
    struct ids keys;            /* stack, thread name; to */
    struct pending *pending;    /* what was seen, by number - 1 */
    size_t pending_room;
    int64_t since_ns, last_ns; /* the first and the last instant that is accounted for */
    bool unreadable,
        noted_unreadable; /* its memory is not shown to us: until the next round, and a line said so */
    uint32_t epoch, modules, unloads;  /* of the segment, when the mappings were read */
    uint32_t changes;                  /* after which an address may be in another module than before */
    const char *leaf[WAITS], *stopped; /* interned: functions, "[stopped]" */
    struct sums sums[TARGET_NAMES];
};

static inline struct sums *sums_of(struct wall *wall, uint32_t name)
{
    return &wall->sums[name < TARGET_NAMES ? name : 0];
}

/* Gives a thread that much time in what it was last seen in. */
void wall_credit(struct wall *wall, const struct watched_thread *watched, int64_t ns, int64_t looks);

/* A thread has ended since the last look, elapsed_ns ago. */
void wall_end_watched(struct wall *wall, struct watched_thread *watched, int64_t elapsed_ns);

/* Accounts for the time that a thread is owed. */
void wall_pay(struct wall *wall, struct watched_thread *watched);

/* The kernel can be asked for its threads by their ids. */
bool wall_is_askable(const struct wall *wall);

/* Asks the kernel for the times of a thread that has no timer. */
void wall_take_times(struct wall *wall, struct watched_thread *watched);

/* Asks who has the lock that a thread waits for. */
void wall_ask_holder(struct wall *wall, struct seg_thread *thread, struct watched_thread *watched);

/* A stack of this frame alone. NULL: no memory. */
const struct stack *wall_special_stack(struct wall *wall, const char *text);

#endif
