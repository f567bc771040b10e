/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files behind wall.h share. wall_sample.c sees what each thread does, wall_stack.c unwinds its stack, and
 * wall.c credits its time. wall_round.c balances the times and hands them on. wall_threads.c writes the threads
 * profile. One thread only.
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

/* UNKNOWN: the kernel was not asked, or what the thread was seen in is over. */
enum activity { ACTIVE_UNKNOWN, ACTIVE_WAITING, ACTIVE_BLOCKED, ACTIVE_RUNNING };

/* What is remembered of a thread from one wall sample to the next. */
struct watched_thread {
    int32_t tid; /* 0: nobody */
    uint32_t name, sequence;
    uint32_t samples; /* in which its time was accounted for */
    uint32_t sample;  /* wall.samples at the last one */
    uint64_t start;   /* as the slot has it */
    enum activity activity;
    bool gone;          /* its task is, its slot is not: its time is over */
    bool stopped;       /* by a signal, the freezer or a debugger */
    bool deferred;      /* the next sample accounts for its time: what it does is not known yet */
    uint32_t stop_seen; /* wall.stop_changes when the kernel was asked last */

    /* While it waits in a hooked call. */
    uint32_t kind;      /* enum wait_kind */
    uint32_t confirmed; /* sequence of the last wait in which its stack was found unchanged */
    uint64_t object;    /* seg_thread.wait_object */
    int32_t holder;     /* tid of the thread that had the lock when it was read last; 0: unknown */

    /* While it is blocked in something else. */
    const char *what;     /* interned */
    uint32_t repetitions; /* samples in a row in which it was blocked in the same */
    uint32_t ask_at;      /* wall.samples at which the kernel is asked again */

    struct wait_stack *stack; /* NULL: it runs, or its activity is unknown */
    uint32_t changes;         /* wall.changes when the stack was unwound */

    const struct profile_labels *labels; /* what it works for, as far as it is known from outside */
    struct profile_trace trace;          /* trace_text "": none */

    int64_t start_ns;    /* by our clock, and not later than its first sample */
    int64_t until_ns;    /* its time is accounted for until then */
    int64_t since_ns;    /* in this activity */
    int64_t credited_ns; /* at its first sample */
    bool has_timer, has_run;
    bool has_times; /* times are known; a new thread's are 0 */
    struct task_times times;
};

/* Sums over the threads of one name since the last round. */
struct sums {
    struct time_balance balance; /* blocked_ns: all of its entries in pending */
    int64_t lived_ns;            /* before since_ns: the threads that were there then */
    uint32_t running;            /* threads, at the last sample */
};

/* Time in one stack that is not handed on yet. */
struct pending {
    int64_t ns, samples;
};

/* What it is the time of. */
enum pending_key { PENDING_STACK, PENDING_NAME, PENDING_LABELS, PENDING_TRACE, PENDING_WORDS };

struct wall {
    struct target *target;
    struct wait_stacks *waits;
    struct unwinder *unwinder;
    struct unwound unwound;
    struct watched_thread *watched; /* by slot */
    size_t room;
    struct watched_thread untracked[UNTRACKED_MOST]; /* threads without a slot */
    uint32_t untracked_count;
    uint32_t samples;
    struct wall_budget *budget; /* of the present sample */
    bool dead;                  /* the process is: nothing can be asked any more */

    enum task_stop stop;        /* of the process; ALONE: at least one of its threads is */
    uint32_t stop_changes;      /* how often that has changed */
    bool one_stopped;           /* one of the threads that were asked in this sample is */
    uint64_t progress;          /* what the process had done at the last sample: see progress_of() */
    uint32_t idle, ask_stop_at; /* times in a row that it was asked and went on; when it is asked again */

    struct ids keys;      /* numbers of keys, enum pending_key: words or addresses */
    struct traces traces; /* that keys refer to */
    struct wait_stack *running,
        *queued;             /* "[running]", "[waiting for a CPU]"; of the present round, NULL: not used */
    struct pending *pending; /* by number - 1 */
    size_t pending_room;
    int64_t since_ns, last_ns;         /* the first and the last instant that is accounted for */
    bool unreadable;                   /* the process's memory is, until the next round */
    bool noted_unreadable;             /* a line in the log said so */
    uint32_t epoch, modules, unloads;  /* of the segment, when the mappings were read */
    uint32_t changes;                  /* how often an address may have come into another module */
    const char *leaf[WAITS], *stopped; /* interned: functions, "[stopped]" */
    struct sums sums[TARGET_NAMES];
};

static inline struct sums *sums_of(struct wall *wall, uint32_t name)
{
    return &wall->sums[name < TARGET_NAMES ? name : 0];
}

/* Pairs with the release at a wait's beginning: if the sequence is odd, kind, time and registers are this wait's. */
static inline uint32_t sequence_of(struct seg_thread *slot)
{
    return atomic_load_explicit(&slot->wait_sequence, memory_order_acquire);
}

/* The thread is not where it was when it had this sequence. Pairs with the release at the wait's end: if the
   sequence is unchanged, what was read before belongs to this wait. */
static inline bool has_moved_on(struct seg_thread *slot, uint32_t sequence)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&slot->wait_sequence, memory_order_relaxed) != sequence;
}

/* Of a thread in the same wait as in the last sample nothing new has to be seen. */
static inline bool is_same_wait(const struct watched_thread *watched, uint32_t sequence)
{
    return watched->activity == ACTIVE_WAITING && watched->sequence == sequence && watched->stack &&
           !watched->deferred;
}

/* Gives a thread that much time in what it was last seen in. */
void wall_credit(struct wall *wall, const struct watched_thread *watched, int64_t ns, int64_t samples);

/* A thread has ended since the last sample, elapsed_ns ago. */
void wall_end_watched(struct wall *wall, struct watched_thread *watched, int64_t elapsed_ns);

/* Accounts for deferred time as far as it was known: what the thread was in is over, or the round is. */
void wall_credit_deferred(struct wall *wall, struct watched_thread *watched);

/* Reads what the thread works for. sequence: of its slot. */
void wall_take_context(struct wall *wall, struct seg_thread *slot, struct watched_thread *watched,
                       uint32_t sequence);

/* The kernel can be asked for its threads by their ids. */
bool wall_is_askable(const struct wall *wall);

/* Adds what the kernel has counted since the last time: how long the thread waited for a CPU. If the thread has no timer,
   also its CPU time. */
void wall_take_times(struct wall *wall, struct watched_thread *watched);

/* The stack of a thread that is in this wait of watched->kind. If it cannot be read, the leaf alone. */
struct wait_stack *wall_unwind_wait(struct wall *wall, struct seg_thread *slot, uint32_t sequence,
                                    struct watched_thread *watched);

/* The stack of a thread that is blocked in no hooked call, from where it entered the kernel. slot NULL: it has
   none. */
struct wait_stack *wall_unwind_blocked(struct wall *wall, const struct seg_thread *slot,
                                       struct watched_thread *watched, const struct task *task,
                                       const char *leaf);

/* Confirms the stacks of threads that are in a new wait at the same place, many by one system call. */
void wall_confirm_stacks(struct wall *wall, uint32_t slots);

/* There is no time to unwind another stack in this sample. */
bool wall_is_late(struct wall *wall);

/* Reads who has the lock that a thread waits for. */
void wall_read_holder(struct wall *wall, struct seg_thread *slot, struct watched_thread *watched);

/* A stack of this frame alone. NULL: no memory. */
const struct stack *wall_special_stack(struct wall *wall, const char *text);

#endif
