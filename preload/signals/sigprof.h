/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGPROF is ours and the program's. This keeps the program's view of it: the disposition that it set, and
 * whether it has the signal blocked.
 *
 * The mask. A thread that blocks every signal, as most worker threads do, is still to be sampled, so its
 * kernel mask must leave SIGPROF out. That it is blocked for the program is then told by another bit of the
 * same mask: SIGSTKFLT, which no Linux kernel ever sent. So whatever saves and restores masks (return from a
 * handler, siglongjmp, swapcontext, a new thread) carries our bit along, and there is no state of ours to go
 * stale:
 *
 *     program blocks            kernel mask
 *     both (all signals)        SIGSTKFLT
 *     SIGPROF by name           both           not sampled while it lasts
 *     neither                   neither
 *     neither, in a handler     SIGPROF        not sampled while it lasts: see below
 *     SIGSTKFLT by name         neither        the one thing that is not kept
 *
 * If a SIGPROF of the program's own meets a thread that has it blocked so, SIGPROF is really blocked and the
 * signal queued again. From there the kernel's rules hold (pending, other threads, sigwait, unblocking).
 *
 * Alternate stacks. The program chose their size for its own handlers. On a processor with AVX-512 one frame
 * of a signal fills half of 8 KiB. So once a thread has set one, the mask of every handler with SA_ONSTACK
 * blocks SIGPROF, which the kernel applies when it enters the handler. A sample that is due then is taken when
 * the handler returns, of what it had interrupted, with the weight of all that came due. If an alternate
 * stack has no room for a sample at all, the handler of SIGPROF does not run on it.
 *
 * Signal-safe, thread-safe. Before sigprof_start(), and where it was not called, the functions on sets change
 * nothing.
 */
#ifndef CPROF_PRELOAD_SIGPROF_H
#define CPROF_PRELOAD_SIGPROF_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Installs the handler. Once, from the constructor. */
void sigprof_start(void);

/* In the child of a fork, before anything else of this header. */
void sigprof_fork_child(void);

/* true: SIGPROF is virtual. false: hooks only forward. */
bool sigprof_is_virtual(void);

/* sigaction() for SIGPROF as the program means it. 0, or -1 and errno. */
int sigprof_action(const struct sigaction *action, struct sigaction *old);

/* Turns a set as the program gives it into one for the kernel. how as in sigprocmask(); SIG_BLOCK for sets
   that are not masks. */
void sigprof_mask_to_kernel(int how, sigset_t *set);

/* The same for a mask of the calling thread. sigprof_repair_mask() is called after the real call with the
   old mask, and unblocks what a handler that was left by a jump still blocks. */
void sigprof_own_mask_to_kernel(int how, sigset_t *set);
void sigprof_repair_mask(int how, const sigset_t *set, const sigset_t *old);

/* A mask as the kernel has it, for the program. */
void sigprof_mask_from_kernel(sigset_t *set);

/* A SIGPROF of the program's is pending (one of ours that is found on the way is carried over). */
bool sigprof_is_pending(void);

/* The sa_mask of a handler with these flags, as the kernel is to have it. After sigprof_mask_to_kernel(). */
void sigprof_handler_mask_to_kernel(int flags, sigset_t *mask);

/* Around the real sigaction() of another signal. */
uint64_t sigprof_lock(void);
void sigprof_unlock(uint64_t state);

/* The calling thread is about to have this alternate stack. */
void sigprof_note_alternate(const stack_t *stack);

/* Before a jump that leaves a handler. restores: it restores a mask itself. */
void sigprof_leave_handler(bool restores);

/* Around a call whose child or thread inherits the mask: leaves out what handlers add to it. */
bool sigprof_unmask_begin(void);
void sigprof_unmask_end(bool changed);

/*
 * Around a call that sends SIGPROF to one thread of this process. The kernel drops a signal that finds another
 * pending, which may be one of ours: sigprof_sent.c says how the program's arrives all the same.
 *
 *     sending = sigprof_send_begin(process, tid, SI_TKILL, NULL);
 *     while (sigprof_send_next(&sending, failed))
 *         failed = ... the call
 *
 * sigprof_was_sent(): one of ours that the calling thread took from its queue stands for the program's as well.
 * Then info becomes that one. sigprof_is_due(): one was sent to the calling thread, which has not got it yet; if it is not
 * in the queue any more, sigprof_is_pending() puts it there. sigprof_taken(): the program has got what was sent to the calling thread.
 */
struct sigprof_sending {
    uint32_t slot;
    bool begun, unmasked;
};
enum { SIGPROF_TO_ITSELF = -1 }; /* in place of a thread id, */
struct sigprof_sending sigprof_send_begin(int process, int tid, int code,
                                          void *value); /* process 0: this one */
bool sigprof_send_next(struct sigprof_sending *sending, bool failed);
bool sigprof_was_sent(siginfo_t *info);
bool sigprof_is_due(void);
void sigprof_taken(void);

/* The program reads its signals from a descriptor, where nobody sees which of them came. */
void sigprof_note_descriptor(void);

/* Around a call that waits with another mask: a SIGPROF of the program's that this mask lets through is
   delivered at once. errno is kept. */
bool sigprof_wait_mask_matters(const sigset_t *temporary);
bool sigprof_wait_mask_begin(const sigset_t *temporary);
void sigprof_wait_mask_end(bool opened);

/* Called when the timers of the calling thread, or of all, are deleted and no handler will be able to
   return. When it returns, no signal of theirs is on its way. */
void sigprof_retire(bool all);

/* Around execve() and posix_spawn(): the program that is executed inherits the mask and disposition as this
   program sees them. Also in a child of vfork(). */
struct sigprof_exec {
    uint64_t mask;
    bool masked, ignored;
};
struct sigprof_exec sigprof_exec_begin(void);
void sigprof_exec_end(struct sigprof_exec exposure);

#endif
