/* SPDX-License-Identifier: Apache-2.0 */
/* Thread slots of the segment, the private state that goes with them, thread names. Lock-free, signal-safe.
 */
#ifndef CPROF_SAMPLER_THREAD_SLOTS_H
#define CPROF_SAMPLER_THREAD_SLOTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sampler/base/weights.h"
#include "sampler/segment/layout.h"

/* What the segment must not hold: pointers, and what a hostile uploader must not change. Written by the
   slot's owner (its creator before it runs). */
struct slot_private {
    void *(*start)(void *);
    void *arg;
    uintptr_t stack_low, stack_high;
    uint32_t period_ns;    /* of its CPU timer */
    _Atomic uint32_t sent; /* a SIGPROF that the program sends to the owner: sigprof_sent.c only */
    uint64_t first_ns;     /* CPU time at which that is due first; 0: not known */
    uint64_t counted;      /* periods in samples */
    uint64_t
        temporary_mask;    /* of signals, in the call that the thread waits in with another one; owner only */
    uint32_t carried;      /* periods that came where no sample could be taken; owner only */
    _Atomic int32_t timer; /* 1 + its id, or enum slot_timer */
    _Atomic int32_t tid;
    _Atomic uint32_t taken; /* in this life of the process (thread_slots_forget()); thread_slots.c only */
    struct strata strata;   /* over the time that the owner waits: block samples */
    uint64_t waited;        /* switch_counts.waited when the owner looked at it last, which was */
    bool is_idle;           /* its CPU timer ticks for no samples: profiles were off when it was set */
    bool is_fresh;          /* after the last of its calls that may have blocked */
    uint8_t doubts;         /* so many of its next such calls are looked at: wait.c */
    _Atomic bool contended_is_foreign; /* a thread of another process had the lock; owner only writes */
    int16_t sent_code;                 /* what that SIGPROF says: sent_value, too */
    uint8_t budget_doubled; /* times that the distance between its samples was doubled; owner only, as are */
    uint8_t budget_samples; /* the samples taken since */
    uint64_t budget_since;  /* these ticks, and */
    uint64_t budget_cpu_ns; /* this time of its CPU clock, and */
    uint64_t budget_ticks;  /* the ticks that they took */
    uintptr_t sent_value;
    _Atomic uintptr_t contended;            /* the lock that the owner waits for, or will want; 0: none */
    _Atomic uint64_t contended_since;       /* ticks: what it has waited since then is charged to nobody */
    struct contention_group *_Atomic group; /* of the condition that the owner waits for; NULL: none */
};

/* NONE: it cannot be had, or the thread ends. NEVER: its stack has no room for a signal. */
enum slot_timer { SLOT_TIMER_NOT_YET = 0, SLOT_TIMER_NONE = -1, SLOT_TIMER_NEVER = -2 };

extern struct slot_private slot_private[LAYOUT_THREADS] __attribute__((visibility("hidden")));

/* A free slot, or 0 (counted). Its fields are what the last owner left, tid 0. */
uint32_t thread_slot_take(struct segment *segment);
void thread_slot_give_back(struct segment *segment, uint32_t slot);

/* The slot of a thread of this process; 0: it has none. */
uint32_t thread_slot_of(const struct segment *segment, int tid);

/* After fork: no slot is taken. */
void thread_slots_forget(void);

/* The index of a thread name (16 bytes, NUL-padded) in names[]; 0 when there are too many (counted). */
uint32_t thread_name_index(struct segment *segment, const char text[16]);

#endif
