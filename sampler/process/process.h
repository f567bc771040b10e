/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of this process: its segment, and whether it is still the process that made it.
 *
 * A child of fork() shares no segment with its parent. A page that the kernel wipes on fork tells them
 * apart, whatever call made the child (fork, _Fork, raw clone, daemon, forkpty). A vfork child shares memory
 * with its parent, and is deliberately not told apart.
 */
#ifndef CPROF_SAMPLER_PROCESS_H
#define CPROF_SAMPLER_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sampler/segment/layout.h"

enum { ANY_UPLOADER = -1 };

/* What the process needs of the rest of the library: how the segment gets to the uploader, and what a new
   segment or a forked child concerns. preload/init.c provides it. */
struct process_ops {
    /* Hands the memfd to the session's uploader, starting one if need be; closes nothing. 0 or negative
       errno. Called outside and inside signal handlers: raw system calls only. */
    int (*hand_over)(int memfd, const struct segment *segment);
    /* false: nobody answers at the session's name, or an uploader answers that is not the one of the
       segment's control.uploader_pid, which has been silent for so long. ANY_UPLOADER: any one counts. Same
       rules. */
    bool (*uploader_alive)(int uploader_pid, uint64_t silent_ns);
    /* After control.wrong_session: hand_over() is to try another session. false: there is none. Same rules.
     */
    bool (*next_session)(void);
    /* Adds to a new segment what else is known of this process. Same rules. */
    void (*describe)(struct segment *segment);
    /* In a forked child, before it has a segment: forgets what was known of the parent and its threads.
       Same rules. */
    void (*forget)(void);
};

/* The settings every segment starts with. Copied from at each join; immutable after process_start(). */
struct process_settings {
    uint32_t profiles;
    uint32_t cpu_hz;
    uint64_t memory_rate;
    uint64_t mutex_fraction;
    uint64_t block_rate_ns;
    uint32_t rates_given; /* by the user, and not to be lowered: bits of enum profile_type */
    uint32_t budget_ppm;  /* seg_rates.budget_ppm */
    uint64_t start_delay_ns, duration_ns;
    bool starts_paused; /* nothing is recorded until the uploader says so */
    char program[sizeof(((struct seg_header *)0)->program)];
    char name[sizeof(((struct seg_header *)0)->name)];
    char labels[sizeof(((struct seg_header *)0)->labels)];
};

/* Once, from the library's constructor or the first hook that runs before it. Makes the wiped page; joins
   nothing yet. Negative errno: nothing is recorded in this process. */
int process_start(const struct process_settings *settings, const struct process_ops *ops);

/* Joins now, so that the program's own start-up is seen by an uploader. Returns 0, or negative errno (tried
   again later, at most every 10 s, by the sampling paths). Not needed in a forked child: the first sample
   does it. */
int process_join(void);

/* It has a page of its own, which the kernel zeroes in a forked child. */
struct fork_mark {
    _Atomic uint32_t state; /* enum fork_state */
};
enum fork_state { FORKED = 0, STARTED = 1 };
extern struct fork_mark *process_mark __attribute__((visibility("hidden")));

/* For the fast path of wait.h alone; others use process_attached(). */
struct segment;
extern _Atomic(struct segment *) process_current __attribute__((visibility("hidden")));

/* true: this is a child that has not noticed yet; the segment and the slots are its parent's. */
static inline bool process_is_fresh_child(void)
{
    return __builtin_expect(atomic_load_explicit(&process_mark->state, memory_order_relaxed) == FORKED, 0);
}

/* The segment to write to. If there is none, it is made and handed over. NULL: not started, the hand-over
   failed, or in a child's first moments. Signal-safe. */
struct segment *process_segment(void);

/* The same, but NULL instead of making one. In a child of fork() that has not noticed yet, it forgets the
   parent's segment and threads. Signal-safe. */
struct segment *process_attached(void);

/* What is to be recorded, as bits of enum profile_type: two loads. Before the join, and in a child that has
   no segment of its own yet, what the settings say; 0 before process_start(). */
extern const _Atomic uint32_t *_Atomic process_profiles __attribute__((visibility("hidden")));
static inline uint32_t process_wanted(void)
{
    return atomic_load_explicit(atomic_load_explicit(&process_profiles, memory_order_relaxed),
                                memory_order_relaxed);
}

/* Called with a sample. If the uploader has been silent for 2 s and is found dead, hands a copy of the
   segment to another one. Signal-safe. */
void process_check_uploader(struct segment *segment);

/* The user has set this profile's rate, and the budget leaves it as it is. */
bool process_rate_is_given(enum profile_type profile);

/* What profiling may take, in millionths of the CPU time; 0: no limit. */
uint32_t process_budget_ppm(void);

/* What the settings say for a process that has no segment; 0: allocations are not sampled, or not yet. */
uint64_t process_memory_rate(void);

/* The same of the CPU timers' period, ns; 0: off. */
uint32_t process_cpu_period(void);

/* When this process was forked from a profiled one, as far as it has noticed; 0: it was not. */
uint64_t process_forked_ticks(void);

/* true in a child of vfork(): the memory is its parent's, and nothing of ours in it must be changed. */
bool process_is_vforked(void);

/* At exit, after the program's own exit handlers: looks for the uploader as above, and marks the end. If the
   process is pid 1 of its namespace, it waits up to 10 s for the uploader's last push. */
void process_exit(int status);

/* Adds n to a counter of the segment (NULL: of none), or of this process's. */
void segment_count(struct segment *segment, enum counter counter, uint64_t n);
void process_count(enum counter counter, uint64_t n);

/* Adds the ticks from `since` until now to a counter of what we take, and returns them. More than 250 us count as so
   much: the thread was switched away meanwhile, and to wait for a CPU is no cost. */
uint64_t segment_count_ticks(struct segment *segment, enum counter counter, uint64_t since);

/* The program locks everything that it maps from now on. Segments are not to be locked. */
void process_keep_unlocked(void);

/* true: the range overlaps the segment, or the place where the parent's was. */
bool process_is_segment(uintptr_t start, uintptr_t end);

/* A library was unloaded: its addresses may be another's from now on. */
void process_note_unload(void);

#endif
