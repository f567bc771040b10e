/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program is about to forbid system calls, its own and ours: before it does, we stop what needs them.
 * Around the call; the state stays on the caller's stack. Signal-safe.
 */
#ifndef CPROF_PRELOAD_SANDBOX_H
#define CPROF_PRELOAD_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

struct sandbox {
    uint64_t calls;   /* that were not forbidden before */
    bool all;         /* for every thread of the process */
    bool signals_end; /* no handler can return any more */
};

/* Calls that are forbidden from the return of the program's own call on. */
struct sandbox sandbox_enter(uint64_t calls, bool all);

/* After it. Where it failed, everything is as before. */
void sandbox_entered(struct sandbox sandbox, bool installed);

#endif
