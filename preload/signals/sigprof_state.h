/* SPDX-License-Identifier: Apache-2.0 */
/* For the files that implement sigprof.h only: their state and its lock, calls of the kernel, and signals
   in the queue. */
#ifndef CPROF_PRELOAD_SIGPROF_STATE_H
#define CPROF_PRELOAD_SIGPROF_STATE_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/threads/thread_local.h"
#include "sigprof.h"

#define SIGNAL_BIT(sig) (UINT64_C(1) << ((sig)-1))
static const uint64_t prof = SIGNAL_BIT(SIGPROF), stand_in = SIGNAL_BIT(SIGSTKFLT), both = prof | stand_in,
                      all_signals = ~UINT64_C(0);

enum { SAMPLE_ROOM = 4096 }; /* what a sample needs of the stack */

struct sigprof {
    bool is_virtual;    /* set once, by sigprof_start() */
    size_t least_frame; /* the same; what the kernel puts on a stack for a signal, at most */

    atomic_flag lock;          /* of the next four */
    struct sys_sigaction ours; /* as it is installed */
    struct sigaction program;  /* what the program set */
    siginfo_t kept;            /* was sent to the process, and queued again by a thread that may not say so */
    bool is_kept;              /* there is one */

    _Atomic unsigned handling; /* threads that deal with a signal of ours */

    /* What was seen in any thread. Once true, it stays. */
    _Atomic bool blocked_by_name; /* SIGPROF itself, in some mask */
    _Atomic bool has_alternate;   /* an alternate stack */
    _Atomic bool has_small;       /* one without room for a sample */
};
extern struct sigprof sigprof __attribute__((visibility("hidden")));

/* The kernel's part of a sigset_t. */
static inline uint64_t *mask_word(sigset_t *set)
{
    return (uint64_t *)set;
}

static inline bool is_function(const struct sigaction *action)
{
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

static inline bool is_seen(_Atomic bool *what)
{
    return __builtin_expect(atomic_load_explicit(what, memory_order_relaxed), 0);
}

static inline void note_seen(_Atomic bool *what)
{
    atomic_store_explicit(what, true, memory_order_relaxed);
}

__attribute__((always_inline)) static inline bool is_on_alternate(void)
{
    return thread_alternate_left() != 0;
}

/* rt_sigprocmask() of the calling thread. Returns the mask before. */
uint64_t sigprof_change_mask(int how, uint64_t set);
uint64_t sigprof_present_mask(void);

/* The lock. It is held with every signal blocked, and for some stores only: a handler may wait for it, too. */
uint64_t sigprof_enter(void);
void sigprof_leave(uint64_t before);

/* Installs our action as the program's flags want it. Under lock. */
void sigprof_install(void);

/* In place of it, SIG_IGN. */
void sigprof_ignore(void);

/* sigprof_queue_again(): queues a signal of the program's again, to the process or thread that it was sent
   to. sigprof_recall(): turns info into the signal that was sent at first. */
void sigprof_queue_again(const siginfo_t *info);
void sigprof_recall(siginfo_t *info);

/* What sigprof_send_begin() and sigprof_send_next() do but for the mask. The first returns the slot, or 0 if the
   thread has none; the second says whether it must be sent again. sigprof_note_queued(): the thread itself is about to
   put it into its queue again. */
uint32_t sigprof_send_claim(int tid, int code, void *value);
bool sigprof_send_again(uint32_t slot, bool failed);
void sigprof_note_queued(int tid, int code, void *value);

/* After it, no signal of ours is pending in the calling thread, and none comes in its next moments. */
void sigprof_hold_back(void);

#endif
