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
 *     SIGPROF by name           SIGPROF        not sampled while it lasts
 *     neither                   neither
 *     SIGSTKFLT by name         neither        the one thing that is not kept
 *
 * A SIGPROF of the program's own that meets a thread that has it blocked so is queued again with SIGPROF
 * really blocked; from there the kernel's rules hold (pending, other threads, sigwait, unblocking).
 *
 * Signal-safe, thread-safe. Before sigprof_start(), and where it was not called, the functions on sets change
 * nothing.
 */
#ifndef CPROF_PRELOAD_SIGPROF_H
#define CPROF_PRELOAD_SIGPROF_H

#include <signal.h>
#include <stdbool.h>

/* Installs the handler. Once, from the constructor. */
void sigprof_start(void);

/* In the child of a fork, before anything else of this header. */
void sigprof_fork_child(void);

/* true: SIGPROF is virtual. false: hooks only forward. */
bool sigprof_is_virtual(void);

/* sigaction() for SIGPROF as the program means it. 0, or -1 and errno. */
int sigprof_action(const struct sigaction *action, struct sigaction *old);

/* A set as the program gives it, for the kernel; how as in sigprocmask(), SIG_BLOCK for sets that are not
 * masks. */
void sigprof_hide(int how, sigset_t *set);

/* A mask as the kernel has it, for the program. */
void sigprof_show(sigset_t *set);

/* A SIGPROF of the program's is pending (one of ours that is found on the way is dropped). */
bool sigprof_is_pending(void);

/* The timers of the calling thread, or of all, are gone, and no handler will be able to return: no signal of
   theirs is left on its way when this returns. */
void sigprof_retire(bool all);

/* What an exec'd program inherits is real: around execve() and posix_spawn(). Also in a child of vfork(). */
struct sigprof_exposure {
    bool masked, ignored;
};
struct sigprof_exposure sigprof_expose(void);
void sigprof_conceal(struct sigprof_exposure exposure);

#endif
