/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of a session as the threads profile has them, and the locks that they wait for. One thread only. */
#ifndef CPROF_ANALYSIS_TOP_THREADS_H
#define CPROF_ANALYSIS_TOP_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/live/frame.h"
#include "analysis/tables/reading.h"

enum { THREADS_MOST = 100000, THREADS_STATES = 12, THREADS_LOCKS = 64 };

struct thread_row {
    unsigned program;
    int64_t pid, tid, holder; /* holder 0: not known */
    int64_t waited_ns;
    const char *thread, *state, *wait; /* interned; "running", "" */
    const char *function[3];           /* leaf first; "" where there are no more */
};

/* Threads that wait for the same, as far as that is known: for a thread that holds it, or in the same function. */
struct thread_lock {
    unsigned program;
    int64_t holder;
    const char *holder_name, *wait, *function; /* function: that wants the lock */
    unsigned waiting;
    int64_t longest_ns;
};

struct threads {
    struct store texts;
    struct thread_row *row;
    size_t rows, room;
};

void threads_free(struct threads *threads);

/* Adds those of one program whose processes the frame has. 0 or -ENOMEM. */
int threads_add(struct threads *threads, const struct frame *frame, unsigned program,
                const struct read_profile *profile);

/* Those who wait longest first. */
void threads_sort(struct threads *threads);

/* Counts by state, most first; program -1: all. Returns how many states there are. */
struct thread_state {
    const char *state;
    unsigned count;
};
unsigned threads_states(const struct threads *threads, int program,
                        struct thread_state states[THREADS_STATES]);

/* Locks, those with most waiting first. Returns how many there are. */
unsigned threads_locks(const struct threads *threads, int program, struct thread_lock locks[THREADS_LOCKS]);

#endif
